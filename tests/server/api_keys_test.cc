#include "server/api_keys.h"

#include <gtest/gtest.h>

#include "support/test_support.h"

namespace quiver {
namespace {

TEST(ApiKeys, AdmitWhoHasOne) {
  const test::ScratchDirectory scratch;
  write_file_atomic(scratch / "keys", "# ours\nfirst-key\r\n\n  second \n");
  std::filesystem::permissions(scratch / "keys", std::filesystem::perms::owner_read);
  const ApiKeys keys = ApiKeys::read(scratch / "keys");
  EXPECT_TRUE(keys.admit("Bearer first-key"));
  EXPECT_TRUE(keys.admit("bearer second"));
  EXPECT_FALSE(keys.admit(std::nullopt));
  for (const std::string wrong :
       {"", "Bearer ", "Bearer", "first-key", "Bearer first-ke", "Bearer first-keyy", "Bearer # ours",
        "Bearer second first-key", "Basic first-key", "Bearer first-kez"})
    EXPECT_FALSE(keys.admit(wrong)) << wrong;
  EXPECT_TRUE(ApiKeys().admit(std::nullopt));
}

TEST(ApiKeys, RefuseAFileThatIsNoneOfKeys) {
  const test::ScratchDirectory scratch;
  const std::string file = (scratch / "keys").string();
  const auto message = [&](const std::string& content, std::filesystem::perms mode) {
    write_file_atomic(file, content);
    std::filesystem::permissions(file, mode);
    return test::error_message([&] { ApiKeys::read(file); });
  };
  using enum std::filesystem::perms;
  EXPECT_EQ(message("a\n", owner_read | others_read),
            "'" + file + "' holds API keys and everybody may read it | chmod 600 it");
  EXPECT_EQ(message("# none\n", owner_read), "'" + file + "' has no API key | one a line");
  EXPECT_EQ(message("good\nnot good\n", owner_read),
            "'" + file + "': key 2 has a space or a character that no header can carry");
}

}  // namespace
}  // namespace quiver
