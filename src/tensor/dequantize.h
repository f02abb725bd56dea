#pragma once

#include <cstdint>

namespace quiver {

// GGML block formats to float32. Each function expands `blocks` consecutive blocks from `source` (any
// alignment) into `target`, which holds blocks * elements-per-block values. Half-precision scales `d`
// (and minimum `m`) come with the blocks; products are formed in the order of the `gguf` Python package, so
// that results are the same bits. Formats: ggml-common.h and ggml-quants.c of llama.cpp.
void dequantize_f32(const char* source, std::int64_t blocks, float* target);   // 1 value a block
void dequantize_f16(const char* source, std::int64_t blocks, float* target);   // 1
void dequantize_bf16(const char* source, std::int64_t blocks, float* target);  // 1
void dequantize_q4_0(const char* source, std::int64_t blocks, float* target);  // 32: d (q - 8)
void dequantize_q4_1(const char* source, std::int64_t blocks, float* target);  // 32: d q + m
void dequantize_q5_0(const char* source, std::int64_t blocks, float* target);  // 32: d (q - 16)
void dequantize_q5_1(const char* source, std::int64_t blocks, float* target);  // 32: d q + m
void dequantize_q8_0(const char* source, std::int64_t blocks, float* target);  // 32: d q
void dequantize_q4_k(const char* source, std::int64_t blocks, float* target);  // 256: (d s) q - (m t)
void dequantize_q5_k(const char* source, std::int64_t blocks, float* target);  // 256: (d s) q - (m t)
void dequantize_q6_k(const char* source, std::int64_t blocks, float* target);  // 256: (d s) (q - 32)

}  // namespace quiver
