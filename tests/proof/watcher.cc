// The events of a revision may end in the middle when a connection breaks: the next one begins
// before that revision, and what was told already is left out.
#include "tests/proof/watcher.h"

#include <grpcpp/grpcpp.h>

#include <thread>

namespace apk::proof {
namespace {

constexpr std::chrono::milliseconds kPause{20};
constexpr std::chrono::seconds kPatience{30};

}  // namespace

Watcher::Watcher(const Endpoints& endpoints, uint64_t seed, Record& record)
    : record_(record),
      random_(static_cast<std::minstd_rand::result_type>(seed + 77)),
      calls_(endpoints, seed) {}

bool Watcher::List() {
  calls_.UseAny();
  const Answer answer = calls_.List("key");
  if (answer.outcome != Operation::Outcome::kDone) return false;
  if (!span_.events.empty()) record_.AddSpan(span_);
  span_ = {.after = answer.revision, .through = answer.revision, .events = {}};
  revision_ = answer.revision;
  told_.clear();
  record_.Count("watch lists");
  return true;
}

void Watcher::Stay() {
  calls_.UseAny();
  if (!calls_.Connect()) return;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(100 + random_() % 300));
  v1::WatchRequest request;
  request.set_kind("ConfigMap");
  request.set_namespace_(kNamespace);
  request.set_from_revision(told_.empty() ? revision_ : revision_ - 1);
  const auto stream = calls_.stub().Watch(&context, request);
  v1::WatchEvent event;
  record_.Count("watches");
  while (stream->Read(&event)) {
    too_old_ = 0;
    v1::ConfigMap map;
    event.object().UnpackTo(&map);
    const std::string& name = map.metadata().name();
    if (event.revision() == revision_ && told_.contains(name)) continue;
    if (event.revision() != revision_) {
      told_.clear();
      span_.through = std::max(span_.through, event.revision() - 1);
    }
    revision_ = event.revision();
    told_.insert(name);
    const bool deleted = event.type() == v1::WatchEvent::DELETED;
    span_.events.push_back({.revision = revision_,
                            .deleted = deleted,
                            .name = name,
                            .value = deleted ? kAbsent : AdminCalls::SeenIn(map).value});
  }
  if (stream->Finish().error_code() == grpc::StatusCode::OUT_OF_RANGE) {
    record_.Count("watches too old");
    ++too_old_;
  }
}

void Watcher::Run(const std::atomic<uint64_t>& last) {
  std::chrono::steady_clock::time_point asked{};
  while (!List()) std::this_thread::sleep_for(kPause);
  for (;;) {
    if (const uint64_t end = last.load(); end != 0) {
      if (asked == decltype(asked)()) asked = std::chrono::steady_clock::now();
      if (revision_ >= end) span_.through = std::max(span_.through, end);
      if (revision_ >= end || span_.after >= end) break;
      if (std::chrono::steady_clock::now() - asked > kPatience) {
        record_.Fault("a watch did not come to the end, revision " + std::to_string(end) +
                      ": it is at " + std::to_string(revision_));
        break;
      }
    }
    Stay();
    // A control plane that has just started knows no earlier changes; another one may.
    if (too_old_ > 3 * static_cast<int>(calls_.servers()) && List()) too_old_ = 0;
  }
  record_.AddSpan(span_);
}

}  // namespace apk::proof
