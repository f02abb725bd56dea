#include "server/page_route.h"

#include <algorithm>

#include "server/kept_exchange.h"
#include "support/test_support.h"

namespace quiver {
namespace {

TEST(PageRoute, GivesThePageToWhomeverAsks) {
  Routes routes;
  add_page_route(routes);
  const HttpRequest request{.method = "GET", .path = "/", .headers = {}};
  ASSERT_NE(routes.find(request), nullptr);
  EXPECT_EQ(routes.find(request)->key, Route::Key::kNotNeeded);
  const auto exchange = std::make_shared<test::KeptExchange>(request);
  routes.handle(exchange);
  const HttpResponse& response = exchange->response();
  EXPECT_EQ(response.body, read_file(test::source_directory() / "src/server/page.html", 1 << 20));
  EXPECT_EQ(response.content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(std::ranges::any_of(response.headers, [](const HttpHeader& header) {
    return header.name == "Content-Security-Policy" && header.value.starts_with("default-src 'none'; ");
  }));
}

// Nothing but the server itself is asked: no address of another place stands in the page.
TEST(PageRoute, NeedsNothingFromOutside) {
  const std::string page = read_file(test::source_directory() / "src/server/page.html", 1 << 20);
  for (const std::string outside : {"http:", "https:", "src=", "@import", "url("})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
}

}  // namespace
}  // namespace quiver
