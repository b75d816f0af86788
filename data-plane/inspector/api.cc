// Answers without waiting.
#include "data-plane/inspector/api.h"

#include <algorithm>
#include <charconv>

#include "common/strings.h"
#include "common/uuid.h"
#include "data-plane/inspector/access.h"
#include "data-plane/inspector/filter.h"
#include "data-plane/inspector/query.h"
#include "data-plane/inspector/web_files.h"

namespace apk::inspector {
namespace {

constexpr size_t kListedMax = 500;
constexpr std::string_view kBinsPath = "/api/bins";

std::string_view PathOf(std::string_view target) { return target.substr(0, target.find('?')); }

uint64_t ParseNumber(std::string_view text, uint64_t otherwise) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : otherwise;
}

bool IsRead(const CapturedRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

Reply FileReply(const WebFile& file) {
  Reply reply;
  reply.headers.emplace_back("Content-Type", file.content_type);
  reply.headers.emplace_back("Cache-Control", "no-cache");
  reply.body = file.content;
  return reply;
}

// Never rendered: a browser saves it.
Reply RawBody(const CapturedRequest& request) {
  Reply reply;
  reply.headers.emplace_back("Content-Type", "application/octet-stream");
  reply.headers.emplace_back("Content-Disposition", Concat("attachment; filename=\"request-",
                                                           std::to_string(request.id), ".bin\""));
  reply.body = request.body;
  return reply;
}

Reply NoContent() {
  Reply reply;
  reply.status = 204;
  return reply;
}

}  // namespace

void AddSecurityHeaders(Reply& reply) {
  reply.headers.emplace_back("Content-Security-Policy",
                             "default-src 'none'; script-src 'self'; style-src 'self'; connect-src "
                             "'self'; img-src 'self'; "
                             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                             "require-trusted-types-for 'script'");
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  reply.headers.emplace_back("X-Frame-Options", "DENY");
  reply.headers.emplace_back("Referrer-Policy", "no-referrer");
  reply.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  reply.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
}

ApiPath Api::ParsePath(std::string_view target) {
  std::string_view rest = PathOf(target);
  ApiPath path;
  if (!rest.starts_with(kBinsPath) || rest.size() <= kBinsPath.size()) return path;
  rest.remove_prefix(kBinsPath.size() + 1);
  for (std::string_view* const part : {&path.token, &path.what, &path.id, &path.part}) {
    *part = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), part->size() + 1));
  }
  return path;
}

std::unique_ptr<Reply> Api::Refuse(const CapturedRequest& request) const {
  if (!IsAllowedHost(request.Header("host"), options_.ui_hosts)) {
    return std::make_unique<Reply>(ErrorReply(421,
                                              "this Host isn't served here: use localhost or a "
                                              "loopback address, or start with --ui-host"));
  }
  if (!IsRead(request) && !MayChangeState(request)) {
    return std::make_unique<Reply>(ErrorReply(
        403, "send the header X-Requested-With: it shows that no foreign page asks for this"));
  }
  return nullptr;
}

Reply Api::Handle(const CapturedRequest& request) {
  const std::string_view path = PathOf(request.target);
  if (path == kBinsPath) return HandleBins(request);
  if (path.starts_with("/api/bins/")) {
    const ApiPath parts = ParsePath(request.target);
    const std::shared_ptr<LiveBin> bin = bins_.Find(parts.token);
    if (bin == nullptr) return ErrorReply(404, "no such bin");
    return HandleBin(request, parts, *bin);
  }
  if (!IsRead(request)) return ErrorReply(405, "this can only be read");
  const bool is_page = path == "/" || path.starts_with("/bins/");
  if (const WebFile* const file = FindWebFile(is_page ? "/index.html" : path); file != nullptr) {
    return FileReply(*file);
  }
  return ErrorReply(404, "no such page");
}

Reply Api::HandleBins(const CapturedRequest& request) {
  if (request.method == "POST") {
    const std::string asked = QueryValue(request.Query(), "token");
    const std::string token = asked.empty() ? NewUuid() : asked;
    const absl::StatusOr<std::shared_ptr<LiveBin>> bin = bins_.Create(token);
    if (!bin.ok()) {
      const int status = bin.status().code() == absl::StatusCode::kInvalidArgument ? 400 : 503;
      return ErrorReply(status, std::string(bin.status().message()));
    }
    return JsonReply(201, Dump(BinJson(token, (*bin)->bin, options_.origins)));
  }
  if (!IsRead(request)) return ErrorReply(405, "GET lists bins, POST makes one");
  Json list = Json::array();
  for (const auto& [token, bin] : bins_.all())
    list.push_back(BinJson(token, bin->bin, options_.origins));
  Json answer;
  answer["bins"] = std::move(list);
  answer["binsMax"] = bins_.options().bins_max;
  answer["masksSecrets"] = bins_.options().mask_secrets;
  return JsonReply(200, Dump(answer));
}

Reply Api::HandleBin(const CapturedRequest& request, const ApiPath& path, LiveBin& bin) {
  const bool is_delete = request.method == "DELETE";
  if (!is_delete && !IsRead(request)) return ErrorReply(405, "use GET or DELETE");
  if (path.what.empty()) {
    if (!is_delete) return JsonReply(200, Dump(BinJson(path.token, bin.bin, options_.origins)));
    bins_.Remove(path.token);
    return NoContent();
  }
  if (path.what != "requests") return ErrorReply(404, "no such thing");
  if (path.id.empty()) {
    if (!is_delete) return ListRequests(request, path.token, bin.bin);
    bin.bin.Clear();
    bin.NotifyChanged();
    return NoContent();
  }
  const CapturedRequest* const found = bin.bin.Find(ParseNumber(path.id, 0));
  if (found == nullptr) return ErrorReply(404, "no such request: it never was, or it was evicted");
  if (is_delete) {
    bin.bin.Delete(found->id);
    bin.NotifyChanged();
    return NoContent();
  }
  if (path.part == "body") return RawBody(*found);
  if (!path.part.empty()) return ErrorReply(404, "no such part of a request");
  return JsonReply(200, Dump(DetailJson(*found, options_.origins)));
}

Reply Api::ListRequests(const CapturedRequest& request, std::string_view token,
                        const Bin& bin) const {
  const absl::StatusOr<Filter> filter = Filter::Parse(QueryValue(request.Query(), "filter"));
  if (!filter.ok()) return ErrorReply(400, std::string(filter.status().message()));
  const absl::StatusOr<uint64_t> limit = QueryNumber(request.Query(), "limit", kListedMax);
  if (!limit.ok()) return ErrorReply(400, std::string(limit.status().message()));
  const WallTime now = SystemClock().WallNow();
  Json list = Json::array();
  for (auto it = bin.requests().rbegin(); it != bin.requests().rend() && list.size() < *limit;
       ++it) {
    if (filter->Matches(*it, now)) list.push_back(SummaryJson(*it));
  }
  Json answer;
  answer["bin"] = BinJson(token, bin, options_.origins);
  answer["requests"] = std::move(list);  // Newest first.
  return JsonReply(200, Dump(answer));
}

}  // namespace apk::inspector
