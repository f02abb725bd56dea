#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "core/regex.h"

namespace quiver {

// What the normalizers, pre-tokenizers and decoders of a tokenizer.json have in common: an object with a
// `type`, which may be a Sequence of others. `where` goes into messages.

// `key` of an object section, or null where it is absent.
const Json& section_of(const Json& object, const std::string& key);

// The `type`; what the section is instead where it is no object.
std::string component_type(const Json& section, const std::string& where);

// The leaves of nested Sequences, in order; none for null. `list_key` names a Sequence's list. Throws
// Error(kCorruptFile).
std::vector<const Json*> component_steps(const Json& section, const std::string& list_key,
                                         const std::string& where);

// Throws Error(kUnsupported): `what` (a "normalizer") `name` is not among the `known`.
[[noreturn]] void refuse_component(const std::string& where, const std::string& what, const std::string& name,
                                   const std::string& known);

// {"Regex": ...} or {"String": ...}. Throws Error(kCorruptFile, kUnsupported).
Regex read_pattern(const Json& pattern, const std::string& where);

}  // namespace quiver
