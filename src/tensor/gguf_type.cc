#include "tensor/gguf_type.h"

#include <algorithm>
#include <iterator>

#include "tensor/dequantize.h"

namespace quiver {
namespace {

// Numbers and block sizes: ggml.h, enum ggml_type, and ggml-common.h of llama.cpp.
constexpr GgufType kTypes[] = {
    {0, "F32", 1, 4, dequantize_f32},
    {1, "F16", 1, 2, dequantize_f16, BlockFormat::kF16},
    {2, "Q4_0", 32, 18, dequantize_q4_0, BlockFormat::kQ4_0},
    {3, "Q4_1", 32, 20, dequantize_q4_1, BlockFormat::kQ4_1},
    {6, "Q5_0", 32, 22, dequantize_q5_0, BlockFormat::kQ5_0},
    {7, "Q5_1", 32, 24, dequantize_q5_1, BlockFormat::kQ5_1},
    {8, "Q8_0", 32, 34, dequantize_q8_0, BlockFormat::kQ8_0},
    {12, "Q4_K", 256, 144, dequantize_q4_k, BlockFormat::kQ4_K},
    {13, "Q5_K", 256, 176, dequantize_q5_k, BlockFormat::kQ5_K},
    {14, "Q6_K", 256, 210, dequantize_q6_k, BlockFormat::kQ6_K},
    {30, "BF16", 1, 2, dequantize_bf16, BlockFormat::kBF16},
};

// Single numbers count as blocks of many.
constexpr bool agrees_with_format(const GgufType& type) {
  if (!type.format) return true;
  const std::int64_t width = type.block_elements == 1 ? kBlockWidth : 1;
  return type.block_elements * width == block_width(*type.format) &&
         type.block_bytes * width == block_bytes(*type.format);
}
static_assert(std::ranges::all_of(kTypes, agrees_with_format));

struct UnreadableType {
  std::uint32_t id;
  const char* name;
};

constexpr UnreadableType kUnreadableTypes[] = {
    {9, "Q8_1"},     {10, "Q2_K"},  {11, "Q3_K"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"},
    {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"},
    {24, "I8"},      {25, "I16"},   {26, "I32"},    {27, "I64"},   {28, "F64"},     {29, "IQ1_M"},
    {34, "TQ1_0"},   {35, "TQ2_0"}, {39, "MXFP4"},
};

}  // namespace

const GgufType* find_gguf_type(std::uint32_t id) {
  const auto found = std::ranges::find(kTypes, id, &GgufType::id);
  return found == std::end(kTypes) ? nullptr : &*found;
}

void dequantize(BlockFormat format, const char* source, std::int64_t blocks, float* target) {
  const GgufType* type = std::ranges::find(kTypes, std::optional(format), &GgufType::format);
  type->dequantize(source, blocks * block_width(format) / type->block_elements, target);
}

std::string gguf_type_name(std::uint32_t id) {
  if (const GgufType* type = find_gguf_type(id)) return type->name;
  const auto found = std::ranges::find(kUnreadableTypes, id, &UnreadableType::id);
  return found == std::end(kUnreadableTypes) ? "number " + std::to_string(id) : found->name;
}

}  // namespace quiver
