#include "model/quantization.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "tensor/dtype.h"
#include "tensor/file_problem.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kUnsupported, what,
              "quantized weights are read from GGUF files only: dequantize the model (transformers: "
              "model.dequantize()) and save it in bfloat16, or take the model it was made from");
}

// "gptq, 4 bits", from the settings' own words.
std::string method_of(const Json& settings) {
  if (!settings.is_object()) return printable(dump_json(settings));
  for (const char* key : {"quant_method", "quant_algo", "method", "format", "algorithm"}) {
    const auto found = settings.find(key);
    if (found != settings.end() && found->is_string()) return printable(found->get<std::string>());
  }
  for (const char* key : {"load_in_8bit", "load_in_4bit"}) {
    const auto found = settings.find(key);
    if (found != settings.end() && *found == true) return std::string("bitsandbytes, ") + key;
  }
  return printable(dump_json(settings));
}

// The last parts of names under which libraries keep scales and codes: bitsandbytes; GPTQ and AWQ; fp8,
// compressed-tensors and BitNet; HQQ, quanto, AQLM.
constexpr std::array<std::string_view, 33> kParts = {"SCB",
                                                     "weight_format",
                                                     "absmax",
                                                     "quant_map",
                                                     "nested_absmax",
                                                     "nested_quant_map",
                                                     "qweight",
                                                     "qzeros",
                                                     "g_idx",
                                                     "weight_scale",
                                                     "weight_scale_inv",
                                                     "weight_scale_2",
                                                     "scale_weight",
                                                     "input_scale",
                                                     "output_scale",
                                                     "scale_input",
                                                     "act_scale",
                                                     "weight_packed",
                                                     "weight_shape",
                                                     "weight_zero_point",
                                                     "weight_g_idx",
                                                     "weight_global_scale",
                                                     "input_global_scale",
                                                     "input_zero_point",
                                                     "scales",
                                                     "zeros",
                                                     "W_q",
                                                     "_data",
                                                     "_scale",
                                                     "weight_qdata",
                                                     "codes",
                                                     "codebooks",
                                                     "weight_scales"};

bool is_of_quantization(std::string_view name) {
  if (name.find(".quant_state.") != std::string_view::npos) return true;
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return std::ranges::find(kParts, last) != kParts.end();
}

}  // namespace

void refuse_quantization(const Json& config, const std::string& where) {
  if (!config.is_object()) return;
  for (const char* key : {"quantization_config", "compression_config", "quantization"}) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null() || (found->is_object() && found->empty())) continue;
    refuse(where + ": '" + key + "' says that the weights are quantized: " + method_of(*found));
  }
  for (const char* key : {"text_config", "llm_config"}) {
    const auto nested = config.find(key);
    if (nested != config.end()) refuse_quantization(*nested, where + ": '" + std::string(key) + "'");
  }
}

void refuse_quantized_tensors(const Checkpoint& checkpoint, const fs::path& directory) {
  const std::vector<std::string> names = checkpoint.names();
  const auto found = std::ranges::find_if(names, is_of_quantization);
  if (found == names.end()) return;
  const auto count = std::ranges::count_if(names, is_of_quantization);
  std::string what = directory.string() + ": the weights are quantized: " + in_quotes(*found);
  if (count > 1) what += " and " + std::to_string(count - 1) + " more tensors";
  refuse(what + (count > 1 ? " hold" : " holds") + " scales or codes");
}

void check_weight_type(const Checkpoint& checkpoint, const std::string& name, const fs::path& directory) {
  const at::ScalarType type = checkpoint.dtype(name);
  if (at::isFloatingType(type) && c10::elementSize(type) >= 2) return;
  refuse(directory.string() + ": tensor " + in_quotes(name) + " has the type " + dtype_name(type) +
         ", not that of weights (F32, F16, BF16 or F64)");
}

}  // namespace quiver
