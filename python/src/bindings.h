#pragma once

#include <ATen/core/Tensor.h>
#include <nanobind/nanobind.h>

#include <nlohmann/json.hpp>
#include <string>

#include "quiver/router.h"

namespace quiver::python {

namespace nb = nanobind;

// Each adds its part to the module.
void bind_models(nb::module_& module);
void bind_library(nb::module_& module);
void bind_training(nb::module_& module);
void bind_evaluation(nb::module_& module);

// A tensor on the CPU as a numpy array over the same memory, which it keeps alive; bfloat16, which numpy does
// not have, as an object that torch.from_dlpack() and others take.
nb::object array_of(const at::Tensor& tensor);
// Any array on the CPU (numpy, torch, whatever speaks DLPack), over the same memory where it is contiguous.
at::Tensor tensor_of(nb::handle array);

nb::object python_of(const nlohmann::json& value);
nlohmann::json json_of(nb::handle value);

// router="arrow", top_k=2, ...: RouterOptions' own fields and the router's settings, by name.
RouterOptions router_options_of(const std::string& router, const nb::dict& settings);

// Lets a KeyboardInterrupt out, from a callback that runs without the interpreter's lock.
void raise_signals();

}  // namespace quiver::python
