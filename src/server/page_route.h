#pragma once

#include "server/routes.h"

namespace quiver {

// GET /: a page, page.html, for people. It needs no key itself; what it asks of the other endpoints does.
void add_page_route(Routes& routes);

}  // namespace quiver
