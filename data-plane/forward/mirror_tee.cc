// Everything here is the worker's; what goes through the door is no longer touched, but for its
// atomics.
#include "data-plane/forward/mirror_tee.h"

#include "data-plane/forward/exchange_trace.h"
#include "data-plane/http/head_writer.h"

namespace apk {
namespace {

constexpr size_t kHeadBytes = 512;  // Usually enough: one allocation.

}  // namespace

MirrorTee::~MirrorTee() {
  if (!started_) {
    Reject();
  } else if (!ended_ && has_body_) {
    for (const auto& copy : copies_) worker_.mirrors.AbortByClient(copy);
  }
}

void MirrorTee::Prepare(const Rule& rule, std::span<const Mirror> mirrors,
                        const RequestHead& request) {
  has_body_ = request.framing.kind != BodyFraming::Kind::kNone;
  std::string_view mark;
  for (const Mirror& mirror : mirrors) {
    MirrorStats& stats = worker_.mirror_stats.Find(rule, mirror);
    stats.matched.fetch_add(1, std::memory_order_relaxed);
    if (came_back_) {
      stats.Count(MirrorResult::kSkippedLoop);
      continue;
    }
    if (request.websocket) {
      stats.Count(MirrorResult::kSkippedUpgrade);
      continue;
    }
    if (mirror.backend == nullptr) {
      stats.Count(MirrorResult::kSkippedUnresolved);
      continue;
    }
    if (mirror.numerator < mirror.denominator &&
        worker_.random.Below(mirror.denominator) >= mirror.numerator) {
      stats.Count(MirrorResult::kSkippedSampling);
      continue;
    }
    if (const auto refused = stats.gauges->refusal.Find(mirror.backend->connection_key)) {
      stats.Count(*refused);
      continue;
    }
    auto copy = std::make_shared<MirrorCopy>();
    copy->table = worker_.table;
    copy->backend = mirror.backend;
    const size_t endpoints = mirror.backend->endpoints.size();
    if (endpoints > 1) copy->endpoint = worker_.random.Below(endpoints);
    copy->stats = &stats;
    copy->is_head_request = request.method == "HEAD";
    copy->chunked = request.framing.kind == BodyFraming::Kind::kChunked;
    copy->has_body = has_body_;
    copy->idempotent = IsIdempotent(request.method);
    copy->safe = IsSafe(request.method);
    OutgoingRequest outgoing;
    outgoing.head = &request;
    outgoing.base_path = mirror.backend->base_path;
    outgoing.host = mirror.backend->HostFor(copy->endpoint, request.authority);
    if (mark.empty()) mark = worker_.mirror_marks.For(worker_.table->mirror_loop_key(), request);
    outgoing.mirror_mark = mark;
    std::string trace_parent;
    if (trace_ != nullptr) {
      copy->trace.span = trace_->StartCopy(mirror, copy->endpoint, request);
      copy->trace.to = trace_->copies();
      trace_parent = trace_->CopyParent(copy->trace.span);
      outgoing.trace_parent = trace_parent;
    }
    copy->head.reserve(kHeadBytes);
    AppendRequestHead(copy->head, outgoing);
    copies_.push_back(std::move(copy));
  }
}

void MirrorTee::Reject() {
  for (const auto& copy : copies_) copy->stats->Count(MirrorResult::kSkippedRejected);
  copies_.clear();
  started_ = true;
}

void MirrorTee::Start() {
  if (started_) return;
  started_ = true;
  std::erase_if(copies_, [this](const auto& copy) { return !StartCopy(copy); });
  if (!has_body_) copies_.clear();
}

bool MirrorTee::StartCopy(const MirrorCopyPtr& copy) {
  if (worker_.mirrors.Start(copy)) return true;
  if (copy->trace.span != nullptr) {  // The copy is still the worker's.
    copy->trace.to = &trace_->spans();
    copy->trace.End(MirrorResult::kDroppedQueue);
  }
  return false;
}

void MirrorTee::Append(std::string_view data) {
  if (data.empty() || !wants_body()) return;
  const BodyChunk chunk = std::make_shared<const std::string>(data);
  std::erase_if(copies_, [&](const auto& copy) { return !worker_.mirrors.Append(copy, chunk); });
}

void MirrorTee::End(const HeaderMap* trailers) {
  if (!wants_body()) return;
  ended_ = true;
  std::shared_ptr<const HeaderMap> fields;  // Of all copies.
  if (trailers != nullptr) fields = std::make_shared<const HeaderMap>(*trailers);
  for (const auto& copy : copies_) worker_.mirrors.End(copy, fields);
}

}  // namespace apk
