#pragma once

#include <string>

namespace quiver {

// Whether a text can name an expert: what every file system can store as a folder and a listing shows on one
// line. Artefact kinds follow the same rules.
bool is_valid_name(const std::string& name);

// Throws Error(kInvalidArgument) with `what` ("expert name") and the value for a text that cannot.
void require_valid_name(const std::string& name, const std::string& what);

// As above for a name that a command gives to an expert: it may hold no comma either, which separates names
// on command lines. Libraries can hold such experts; 0.1.0 imported them.
void require_new_name(const std::string& name, const std::string& what);

}  // namespace quiver
