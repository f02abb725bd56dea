#include "server/page_route.h"

namespace quiver {

extern const char kPage[];  // page.html, made into a source by cmake/page.cmake

void add_page_route(Routes& routes) {
  constexpr char kPolicy[] =
      "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
      "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  const auto page = [](const HttpRequest&) {
    return HttpResponse{.body = kPage,
                        .content_type = "text/html; charset=utf-8",
                        .headers = {{"Content-Security-Policy", kPolicy},
                                    {"X-Content-Type-Options", "nosniff"},
                                    {"Cache-Control", "no-cache"}}};
  };
  routes.add(whole_route("GET", "/", page, Route::Key::kNotNeeded));
}

}  // namespace quiver
