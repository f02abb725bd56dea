#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quiver/error.h"

namespace quiver {

// Bytes [begin, end) of the UTF-8 text that was given to `encode`.
struct TextSpan {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  friend bool operator==(const TextSpan&, const TextSpan&) = default;
};

// The tokens of a text. Both vectors have one entry per token.
//
// A span holds exactly the bytes its token stands for, a leading space included, so spans of a text that no
// normalizer changed lie side by side; a token may end inside a character, as the tokens "<0xHH>" that spell
// one do. Where characters were rewritten (Unicode normalization, a normalizer's Replace, broken bytes) every
// token of what they became has the span of all the bytes it came from. A space or "▁" that the tokenizer put
// before the text has an empty span, or none of the span of the token it is part of. Characters that a
// normalizer removed are in no span, but at the beginning of a text in that of what follows (Precompiled). An
// added token that swallows the spaces around it (`lstrip`, `rstrip`) has them in its span.
struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> spans;
};

// The `tokenizer.ggml.*` entries of a GGUF file.
struct GgufVocabulary {
  std::string model = "gpt2";  // `model`: "gpt2" (byte-level BPE) or "llama" (SentencePiece BPE)
  // `tokens`: by id; in the byte-level alphabet ("Ġthe") or with "▁" for spaces.
  std::vector<std::string> tokens = {};
  // `token_type`: by id; 2 unknown, 3 control, 4 user-defined, 6 a byte ("<0x0A>"); empty: all normal.
  std::vector<std::int32_t> token_types = {};

  // gpt2: how text is cut into words, `pre`: "gpt-2", "phi-2", "smollm", "llama-bpe" or "qwen2"; and
  // `merges`: "left right", best first.
  std::string pre = "gpt-2";
  std::vector<std::string> merges = {};

  // llama: `scores` by id, the highest of two neighbours' union is merged first; and `add_space_prefix`,
  // whether a space is put before the text and what follows an added token.
  std::vector<double> scores = {};
  bool add_space_prefix = true;

  // `bos_token_id`, `eos_token_id`, and `add_bos_token`, `add_eos_token`, whether they stand around a text.
  // Absent, as in llama.cpp: "llama" has 1 and 2, and begins with the first; so does "gpt2" with the `pre`
  // "llama-bpe", if it has one; nothing else does.
  std::optional<std::int32_t> bos_id = {};
  std::optional<std::int32_t> eos_id = {};
  std::optional<bool> add_bos = {};
  std::optional<bool> add_eos = {};
};

// The tokens that a tokenizer's files put around a text: the special tokens of `tokenizer(text)` in
// transformers. Ids.
struct TextFrame {
  std::vector<std::int32_t> before;
  std::vector<std::int32_t> after;
};

// What `decode` does with special tokens such as "<|im_end|>".
enum class SpecialTokens { kKeep, kSkip };

struct TokenizerParts;

// A BPE or Unigram tokenizer that gives the ids of Hugging Face `transformers` 5.23 for the same files.
// Immutable: any number of threads may use one object at the same time.
class Tokenizer {
 public:
  // Reads a tokenizer.json. Understood:
  // - models: BPE over bytes (with ByteLevel) or characters (byte_fallback, fuse_unk), Unigram;
  // - normalizers: NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip, Lowercase, Nmt, Precompiled;
  // - pre-tokenizers: Split, Digits, WhitespaceSplit and, as the last, ByteLevel or Metaspace;
  // - decoders: ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace;
  // - post-processors: TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel (see frame());
  // - Sequences of the last four, or null.
  // The files beside it count as they do in transformers: tokenizer_config.json (tokens and their flags,
  // add_prefix_space for the classes that heed it), special_tokens_map.json and added_tokens.json. An added
  // token whose id leaves a gap gets the next one, as in `tokenizers`, and a warning names it. Where the file
  // is missing and its folder has the vocab.json and merges.txt of a GPT-2, these are read. Throws
  // Error(kUnsupported) naming anything else, Error(kCorruptFile) for a file that contradicts itself,
  // Error(kNotFound, kIo).
  static std::shared_ptr<const Tokenizer> from_file(const std::filesystem::path& tokenizer_json);

  // Throws Error(kUnsupported) for an unknown `model` or `pre`, Error(kCorruptFile) for a vocabulary that
  // contradicts itself.
  static std::shared_ptr<const Tokenizer> from_vocabulary(const GgufVocabulary& vocabulary);

  // The tokens of a text; nothing is put around it (see frame()), but added tokens spelled out in the
  // text ("<|im_start|>") become themselves. Bytes that are not UTF-8 are read as U+FFFD, one for each
  // maximal broken part, as Python's decode(errors="replace") does. Throws Error(kUnsupported) for a text of
  // more than 1.4 GB, as it is or normalized. Where it overlaps one of `plain`, places in `text` in ascending
  // order, an added token is not recognized and stays the letters that it is spelled with.
  Encoding encode(std::string_view text, std::span<const TextSpan> plain = {}) const;

  // Of encode(text) the added tokens alone: what to keep out of a text that must not hold any.
  Encoding added_tokens(std::string_view text) const;

  // The bytes that the tokens stand for, joined. They may end or begin inside a character, for which the
  // reference writes U+FFFD. On valid UTF-8 this is the inverse of `encode`, unless the tokenizer has a
  // normalizer, a space it puts before text, a split that removes its matches, added tokens that strip
  // spaces, or no token for some character or byte: as in the reference such bytes are dropped or become the
  // unknown token (SmolLM2 lacks tokens for a few bytes of rare characters). Where the decoder takes one
  // space off the front (Llama 2), it does so whatever the first id is. Ids without a token (rows that pad a
  // model's embedding) give nothing.
  std::string decode(std::span<const std::int32_t> ids, SpecialTokens special = SpecialTokens::kKeep) const;

  // The id of a token by its text in the vocabulary ("Ġthe", "<|im_end|>"); none where there is no such
  // token.
  std::optional<std::int32_t> token_id(std::string_view content) const;

  // The inverse of token_id; empty for an id without a token.
  std::string token_text(std::int32_t id) const;

  // Whether it is left out by decode(..., SpecialTokens::kSkip).
  bool is_special(std::int32_t id) const;

  // The special tokens that the files give a name, as "bos_token": transformers' special_tokens_map.
  const std::map<std::string, std::string>& named_tokens() const;

  // What `tokenizer(text)` of transformers puts around the ids of `encode`.
  const TextFrame& frame() const;

  // The begin-of-text and end-of-text tokens that the files name; not necessarily put before or after texts.
  std::optional<std::int32_t> bos_id() const;
  std::optional<std::int32_t> eos_id() const;

  // The largest id + 1: never more than the rows of a fitting embedding.
  std::int32_t size() const;

  // For the two factories above.
  explicit Tokenizer(std::unique_ptr<const TokenizerParts> parts);
  ~Tokenizer();

 private:
  std::unique_ptr<const TokenizerParts> parts_;
};

}  // namespace quiver
