#pragma once

#include <jinja/value.h>

#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quiver/tokenizer.h"

namespace quiver {

// Text that a template wrote, and the places, in ascending order, of what it copied from values marked as
// input.
struct RenderedText {
  std::string text;
  std::vector<TextSpan> input;
};

using TemplateVariables = std::vector<std::pair<std::string, jinja::value>>;

// A Jinja template, parsed once. Immutable and thread-safe.
class JinjaProgram {
 public:
  // `where` names the template in messages. Throws Error(kCorruptFile) for what is not Jinja,
  // Error(kUnsupported) for what nests too deeply.
  JinjaProgram(const std::string& source, std::string where);
  ~JinjaProgram();

  const std::string& source() const { return source_; }

  // With trim_blocks and lstrip_blocks, and `raise_exception` and `strftime_now` as transformers has them.
  // Throws Error(kInvalidArgument) with the template's own words or with the place that failed.
  RenderedText run(const TemplateVariables& variables, std::time_t now) const;

 private:
  struct Program;
  std::string source_, where_;
  std::unique_ptr<const Program> program_;
};

}  // namespace quiver
