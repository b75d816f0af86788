// Request targets, and that what is matched can be read in one way only.
#include "data-plane/http/path.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace apk {
namespace {

// "<refused>" or the normal path.
std::string Normal(std::string_view path) {
  std::string out = "left over from before";
  return NormalizePath(path, out) ? out : "<refused>";
}

// "<refused>" or the host.
std::string HostOf(std::string_view authority) {
  std::string host = "left over from before";
  return ParseAuthority(authority, host) ? host : "<refused>";
}

TEST(NormalizePath, LeavesNormalPathsAlone) {
  for (const std::string path :
       {"/", "/a", "/a/", "/a/b.c/d", "/a.", "/a..", "/a/b..c", "/:@!$&'()*+,;=-_~", "/[x]\"{|}^`",
        "/a;v=1/b", "/%20", "/a%25b", "/%C3%A9"}) {
    EXPECT_EQ(Normal(path), path);
  }
}

TEST(NormalizePath, DecodesWhatNeedsNoEscapeAndWritesTheRestInUpperCase) {
  const std::pair<const char*, const char*> cases[] = {
      {"/%61%5A%30", "/aZ0"}, {"/%2d%5f%7e%2E", "/-_~."},
      {"/%c3%a9", "/%C3%A9"}, {"/%3f%23%3b", "/%3F%23%3B"},
      {"/%2541", "/%2541"},   {"/%252e%252e/a", "/%252e%252e/a"},
      {"/a%20b", "/a%20b"},   {"/%e2%80%AE", "/%E2%80%AE"},
      {"/%61", "/a"},
  };
  for (const auto& [path, normal] : cases) EXPECT_EQ(Normal(path), normal) << path;
}

TEST(NormalizePath, MergesSlashes) {
  const std::pair<const char*, const char*> cases[] = {
      {"//", "/"},       {"///", "/"},    {"//a", "/a"},
      {"/a//b", "/a/b"}, {"/a//", "/a/"}, {"//a//b//", "/a/b/"},
  };
  for (const auto& [path, normal] : cases) EXPECT_EQ(Normal(path), normal) << path;
}

TEST(NormalizePath, ResolvesDotSegmentsAndNeverLeavesTheRoot) {
  const std::pair<const char*, const char*> cases[] = {
      {"/.", "/"},
      {"/..", "/"},
      {"/../..", "/"},
      {"/../../etc/passwd", "/etc/passwd"},
      {"/./a", "/a"},
      {"/a/.", "/a/"},
      {"/a/./", "/a/"},
      {"/a/./b", "/a/b"},
      {"/a/..", "/"},
      {"/a/../", "/"},
      {"/a/b/..", "/a/"},
      {"/a/b/../", "/a/"},
      {"/a/b/../c", "/a/c"},
      {"/a/b/../../../c", "/c"},
      {"/a//../b", "/b"},
      {"/a/b/c/./../../g", "/a/g"},
      {"/mid/content=5/../6", "/mid/6"},
      {"/%2e%2e/a", "/a"},
      {"/a/%2E./b", "/b"},
      {"/a/.%2e", "/"},
      {"/a/%2e", "/a/"},
      {"/.a", "/.a"},
      {"/..a/b", "/..a/b"},
      {"/.../b", "/.../b"},
      {"/long-segment/../x/../y", "/y"},
  };
  for (const auto& [path, normal] : cases) EXPECT_EQ(Normal(path), normal) << path;
}

TEST(NormalizePath, RefusesWhatTwoServersCouldReadInTwoWays) {
  for (const std::string path :
       {"",          "a",       "*",     "/a%2Fb",  "/a%2fb", "/..%2f", "/a%5Cb", "/a%5cb",
        "/a\\b",     "/%00",    "/a%00", "/%0a",    "/%0D",   "/%1f",   "/%7F",   "/%7f",
        "/%",        "/%4",     "/a%",   "/%zz",    "/%4g",   "/%g4",   "/%%41",  "/%-1",
        "/%+1",      "/%u002f", "/a?b",  "/a#b",    "/a b",   "/a\tb",  "/a\x7f", "/\x80",
        "/\xc3\xa9", "/a\r",    "/a\nb", "/a/..\\b"}) {
    EXPECT_EQ(Normal(path), "<refused>") << path;
  }
  EXPECT_EQ(Normal(std::string_view("/a\0b", 4)), "<refused>");
}

TEST(NormalizePath, EveryEscapeIsDecodedKeptOrRefusedAndNeverChangesMeaning) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string escape = {'%', kHex[byte / 16], kHex[byte % 16]};
    const bool alpha = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    const bool unreserved = alpha || (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
                            byte == '_' || byte == '~';
    const bool never_utf8 = byte == 0xc0 || byte == 0xc1 || byte > 0xf4;
    const bool refused = byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\' || never_utf8;
    const std::string kept = unreserved ? std::string(1, static_cast<char>(byte)) : escape;
    EXPECT_EQ(Normal("/x" + escape), refused ? "<refused>" : "/x" + kept);
  }
}

TEST(NormalizePath, IsIdempotentForAllShortPaths) {
  const std::string pieces[] = {"/", ".", "a", "%2e", "%2E", "%25", "%c3", "%61", "bc"};
  constexpr size_t kPieces = std::size(pieces);
  constexpr size_t kAll = kPieces * kPieces * kPieces * kPieces * kPieces;
  for (size_t number = 0; number < kAll; ++number) {
    std::string path = "/";
    for (size_t rest = number, i = 0; i < 5; ++i, rest /= kPieces) path += pieces[rest % kPieces];
    const std::string once = Normal(path);
    ASSERT_EQ(Normal(once), once) << path;
    ASSERT_EQ(once[0], '/') << path;
    ASSERT_EQ((once + "/").find("/../"), std::string::npos) << path;
    ASSERT_EQ((once + "/").find("/./"), std::string::npos) << path;
    ASSERT_EQ(once.find("//"), std::string::npos) << path;
  }
}

// "form authority path [?query]".
std::string Describe(std::string_view target) {
  const std::optional<TargetParts> parts = SplitTarget(target);
  if (!parts.has_value()) return "<refused>";
  std::string out;
  switch (parts->form) {
    case TargetForm::kOrigin:
      out = "origin ";
      break;
    case TargetForm::kAbsolute:
      out = "absolute ";
      break;
    case TargetForm::kAuthority:
      return "authority " + std::string(parts->authority);
    case TargetForm::kAsterisk:
      return "asterisk";
  }
  out.append(parts->authority).append(" ").append(parts->path);
  if (parts->has_query) out.append(" ?").append(parts->query);
  return out;
}

TEST(SplitTarget, KnowsTheFourForms) {
  const std::pair<const char*, const char*> cases[] = {
      {"/", "origin  /"},
      {"/a/b?c=d", "origin  /a/b ?c=d"},
      {"/a?", "origin  /a ?"},
      {"/a?b?c/d", "origin  /a ?b?c/d"},
      {"/a?u=http://h/", "origin  /a ?u=http://h/"},
      {"//h/a", "origin  //h/a"},
      {"http://h", "absolute h /"},
      {"http://h/", "absolute h /"},
      {"HTTPS://h:8443/a?b", "absolute h:8443 /a ?b"},
      {"http://h?q", "absolute h / ?q"},
      {"http://h?q/r", "absolute h / ?q/r"},
      {"http://[::1]:80/a", "absolute [::1]:80 /a"},
      {"h:443", "authority h:443"},
      {"a/b", "authority a/b"},
      {"*", "asterisk"},
  };
  for (const auto& [target, described] : cases) EXPECT_EQ(Describe(target), described) << target;
}

TEST(SplitTarget, RefusesOtherSchemesFragmentsAndBytesThatAreNoUri) {
  for (const std::string target :
       {"",        "/a#b",      "/a?b#c",    "http://h/#", "ftp://h/",  "://h",  "file:///etc",
        "http://", "http:///a", "http://?q", "/a b",       " /",        "/ ",    "/a\tb",
        "/a\rb",   "/a\nb",     "/\x7f",     "/\x01",      "/\xc3\xa9", "/?\xff"}) {
    EXPECT_EQ(Describe(target), "<refused>") << target;
  }
  EXPECT_EQ(Describe(std::string_view("/\0", 2)), "<refused>");
}

TEST(ParseAuthority, GivesTheHostInLowerCaseWithoutPort) {
  const std::pair<const char*, const char*> cases[] = {
      {"h", "h"},
      {"Example.COM", "example.com"},
      {"example.com:8080", "example.com"},
      {"example.com:", "example.com"},
      {"example.com.", "example.com"},
      {"example.com.:80", "example.com"},
      {"a_b-c.d", "a_b-c.d"},
      {"127.0.0.1:1", "127.0.0.1"},
      {"h:0", "h"},
      {"h:65535", "h"},
      {"[::1]", "[::1]"},
      {"[FE80::A]:443", "[fe80::a]"},
      {"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"},
  };
  for (const auto& [authority, host] : cases) EXPECT_EQ(HostOf(authority), host) << authority;
}

TEST(ParseAuthority, RefusesWhatIsNoHostAndPort) {
  for (const std::string authority :
       {"",      ":80",  "a b",  "a/b",     "a,b",     "u@h",      "u:p@h",    "a%62",
        "h:a",   "h:+1", "h:-1", "h:65536", "h:99999", "h:000080", "h:80:80",  "h:8 0",
        "[::1",  "::1",  "[]",   "[1]",     "[::1]80", "[::1]:x",  "[::1]]",   "[fe80::1%eth0]",
        "[::g]", "h\\",  "h?",   "h#",      "h*",      "a\tb",     "\xc3\xa9", "a;b"}) {
    EXPECT_EQ(HostOf(authority), "<refused>") << authority;
  }
  EXPECT_EQ(HostOf(std::string_view("a\0b", 3)), "<refused>");
}

TEST(ParseAuthority, TakesNamesUpTo255Bytes) {
  EXPECT_EQ(HostOf(std::string(255, 'a') + ":80"), std::string(255, 'a'));
  EXPECT_EQ(HostOf(std::string(256, 'a')), "<refused>");
}

TEST(TrimTrailingSlashes, LeavesAPrefixForPaths) {
  EXPECT_EQ(TrimTrailingSlashes("/"), "");
  EXPECT_EQ(TrimTrailingSlashes("/a//"), "/a");
  EXPECT_EQ(TrimTrailingSlashes("/a/b"), "/a/b");
  EXPECT_EQ(TrimTrailingSlashes(""), "");
}

}  // namespace
}  // namespace apk
