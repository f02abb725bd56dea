#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/generation_fields.h"
#include "server/server_context.h"

namespace quiver {

// The model that a request asks for: a name, the base where it is empty, under the choice of its field
// `router`, if it has one. Throws ApiError: 404 for a name that is not served, 400 for a choice that does not
// fit.
RoutedModel choose_model(const ServerContext& context, const std::string& name,
                         const std::optional<RouterField>& router = {});

// The adapters that the model of such a choice runs with, by the names that requests give them. None where
// there are none, and for a router over all experts.
std::vector<std::string> adapters_of(const ServerContext& context, const std::string& name,
                                     const RoutedModel& model);

// The name that an answer gives: the one that was asked for, or else the base's.
std::string shown_model(const ServerContext& context, const std::string& name);

}  // namespace quiver
