#include <ATen/ATen.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include "bindings.h"
#include "core/json.h"

namespace quiver::python {
namespace {

nb::dlpack::dtype dtype_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return nb::dtype<float>();
    case at::kDouble:
      return nb::dtype<double>();
    case at::kLong:
      return nb::dtype<std::int64_t>();
    case at::kInt:
      return nb::dtype<std::int32_t>();
    case at::kBFloat16:
      return {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Bfloat), 16, 1};
    default:
      throw Error(ErrorKind::kUnsupported,
                  std::string("tensors of ") + at::toString(tensor.scalar_type()) + " do not go to Python");
  }
}

at::ScalarType scalar_type_of(const nb::dlpack::dtype& type) {
  for (const at::ScalarType candidate : {at::kFloat, at::kDouble, at::kLong, at::kInt, at::kBFloat16}) {
    if (dtype_of(at::empty({0}, candidate)) == type) return candidate;
  }
  throw Error(ErrorKind::kInvalidArgument, "an array must be of float32, float64, bfloat16, int32 or int64");
}

}  // namespace

nb::object array_of(const at::Tensor& tensor) {
  auto kept = std::make_unique<at::Tensor>(tensor.contiguous());
  const at::Tensor& values = *kept;
  std::vector<std::size_t> shape(values.sizes().begin(), values.sizes().end());
  void* const data = values.data_ptr();
  const nb::dlpack::dtype type = dtype_of(values);
  const nb::capsule owner(kept.release(), [](void* held) noexcept { delete static_cast<at::Tensor*>(held); });
  if (values.scalar_type() == at::kBFloat16)
    return nb::cast(nb::ndarray<>(data, shape.size(), shape.data(), owner, nullptr, type));
  return nb::cast(nb::ndarray<nb::numpy>(data, shape.size(), shape.data(), owner, nullptr, type));
}

at::Tensor tensor_of(nb::handle array) {
  auto view = std::make_unique<nb::ndarray<nb::device::cpu, nb::c_contig>>();
  if (!nb::try_cast(array, *view)) {
    throw Error(ErrorKind::kInvalidArgument,
                "not an array on the CPU: " + std::string(nb::str(nb::type_name(array.type())).c_str()),
                "numpy arrays and what has __dlpack__ (torch tensors) are taken");
  }
  std::vector<std::int64_t> shape;
  for (std::size_t i = 0; i < view->ndim(); ++i) shape.push_back(static_cast<std::int64_t>(view->shape(i)));
  const at::ScalarType type = scalar_type_of(view->dtype());
  void* const data = view->data();
  return at::from_blob(
      data, shape,
      [held = std::shared_ptr(std::move(view))](void*) mutable {
        const nb::gil_scoped_acquire lock;
        held.reset();
      },
      type);
}

nb::object python_of(const nlohmann::json& value) {
  return nb::module_::import_("json").attr("loads")(nb::str(dump_json(value).c_str()));
}

nlohmann::json json_of(nb::handle value) {
  const nb::object text = nb::module_::import_("json").attr("dumps")(value, nb::arg("allow_nan") = false);
  return parse_json(nb::cast<std::string>(text), "a value from Python");
}

RouterOptions router_options_of(const std::string& router, const nb::dict& settings) {
  Compat compat = Compat::kNone;
  if (settings.contains("compat")) compat = parse_compat(nb::cast<std::string>(settings["compat"]));
  RouterOptions options = parse_router(router, compat);
  for (const auto& [key, value] : settings) {
    const auto name = nb::cast<std::string>(key);
    if (name == "top_k") {
      options.top_k = nb::cast<int>(value);
    } else if (name == "temperature") {
      options.temperature = nb::cast<double>(value);
      check_temperature(options.temperature);
    } else if (name == "combine") {
      options.combine = parse_combine(nb::cast<std::string>(value));
    } else if (name == "default_expert") {
      options.default_expert = nb::cast<std::string>(value);
    } else if (name == "bos") {
      options.bos = parse_begin_of_text(nb::cast<std::string>(value));
    } else if (name != "compat") {
      const std::string text =
          nb::isinstance<nb::bool_>(value) ? (nb::cast<bool>(value) ? "yes" : "no") : nb::str(value).c_str();
      set_router_setting(options, name, text);
    }
  }
  return options;
}

void raise_signals() {
  const nb::gil_scoped_acquire lock;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace quiver::python
