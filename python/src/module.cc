// The Python module's native half. What users see, and how it is documented for them, is python/quiver/.
#include <ATen/Parallel.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "bindings.h"
#include "quiver/error.h"
#include "quiver/log.h"
#include "quiver/version.h"

namespace quiver::python {
namespace {

const char* kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
      return "InvalidArgument";
    case ErrorKind::kNotFound:
      return "NotFound";
    case ErrorKind::kAlreadyExists:
      return "AlreadyExists";
    case ErrorKind::kCorruptFile:
      return "CorruptFile";
    case ErrorKind::kUnsupported:
      return "Unsupported";
    case ErrorKind::kIo:
      return "InputOutput";
    case ErrorKind::kStale:
      return "Stale";
    case ErrorKind::kNotFinite:
      return "NotFinite";
    case ErrorKind::kInterrupted:
      return "Interrupted";
    case ErrorKind::kBusy:
      return "Busy";
    case ErrorKind::kUnavailable:
      return "Unavailable";
  }
  return "Error";
}

// Errors become the classes of quiver/errors.py.
void translate(const std::exception_ptr& failure, void*) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    const nb::object type = nb::module_::import_("quiver.errors").attr(kind_name(error.kind()));
    const nb::object instance = type(nb::str(error.what()), nb::str(error.hint().c_str()));
    PyErr_SetObject(type.ptr(), instance.ptr());
  }
}

}  // namespace
}  // namespace quiver::python

NB_MODULE(_quiver, module) {
  using namespace quiver::python;
  nb::register_exception_translator(translate);
  module.attr("__version__") = quiver::kVersion;
  module.def(
      "set_threads", [](int threads) { at::set_num_threads(threads); }, nb::arg("threads"),
      "Threads of what is computed from now on, by this thread and threads that begin later.");
  bind_models(module);
  bind_library(module);
  bind_training(module);
  bind_evaluation(module);
}
