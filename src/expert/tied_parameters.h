#pragma once

#include <map>
#include <string>
#include <vector>

namespace quiver {

// What mttl's `tie_params` makes one parameter (get_target_2_source_param_mapping of its modifiers/base.py):
// the regex is looked for in each name; where it is found it must reach to the name's end, and all names with
// the same beginning before it are the first of them. Every name but those first ones -> the first one.
// Throws Error(kInvalidArgument) for what is no regex, for a match that ends inside a name, and where no two
// names are tied.
std::map<std::string, std::string> tied_parameters(const std::vector<std::string>& names,
                                                   const std::string& tie_params);

}  // namespace quiver
