// GET only: HEAD would take as long and say nothing.
#include "data-plane/agent/profile_pages.h"

#include <charconv>

#include "common/strings.h"

namespace apk {
namespace {

constexpr char kUnderWay[] = "another profile is under way: wait for its end\n";

AdminResponse Text(uint16_t status, std::string body) {
  AdminResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

AdminResponse After(std::chrono::seconds time, std::function<std::string()> profile) {
  AdminResponse response;
  response.pause = time;
  response.after_pause = [profile = std::move(profile)] {
    AdminResponse done = Text(200, profile());
    done.content_type = "application/octet-stream";
    return done;
  };
  return response;
}

// "" is the usual time; nullopt: it can't be had.
std::optional<int> SecondsOf(std::string_view query) {
  constexpr std::string_view kName = "seconds=";
  if (query.empty()) return ProfilePages::kSecondsUsual;
  if (!query.starts_with(kName)) return std::nullopt;
  query.remove_prefix(kName.size());
  int seconds = 0;
  const auto [end, error] = std::from_chars(query.data(), query.data() + query.size(), seconds);
  const bool number = error == std::errc() && end == query.data() + query.size();
  if (!number || seconds < 1 || seconds > ProfilePages::kSecondsMax) return std::nullopt;
  return seconds;
}

}  // namespace

std::optional<AdminResponse> ProfilePages::Answer(const AdminRequest& request) {
  const bool cpu = request.path == "/profile/cpu";
  if (!cpu && request.path != "/profile/heap") return std::nullopt;
  if (request.method != "GET") {
    AdminResponse response = Text(405, "only GET\n");
    response.allow = "GET";
    return response;
  }
  if (request.from_page) return Text(403, "not from a web page\n");
  if (!cpu && request.query.empty()) return Text(200, heap_());
  const std::optional<int> seconds = SecondsOf(request.query);
  if (!seconds.has_value()) {
    return Text(
        400, Concat(request.path, "?seconds=N, N from 1 to ", std::to_string(kSecondsMax), "\n"));
  }
  const std::chrono::seconds time(*seconds);
  return cpu ? Cpu(time) : Heap(time);
}

AdminResponse ProfilePages::Cpu(std::chrono::seconds time) {
  if (!cpu_profiler_.Start(time)) return Text(409, kUnderWay);
  return After(time, [this] { return cpu_profiler_.Stop(); });
}

AdminResponse ProfilePages::Heap(std::chrono::seconds time) {
  if (!allocations_counted_) return Text(501, "this build has the allocator of a sanitizer\n");
  if (!heap_profiler_.Start()) return Text(409, kUnderWay);
  return After(time, [this] { return heap_profiler_.Stop(); });
}

}  // namespace apk
