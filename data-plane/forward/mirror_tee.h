// The copies of one request, from the worker's side: made when the rule is known, let go when the
// primary is under way, fed with its body.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "data-plane/forward/worker_context.h"

namespace apk {

class ExchangeTrace;

class MirrorTee {
 public:
  // `trace`: nullptr where the exchange is not recorded. `came_back`: the request is a copy
  // already, see MirrorMarks::IsOn.
  MirrorTee(WorkerContext& worker, ExchangeTrace* trace, bool came_back)
      : worker_(worker), trace_(trace), came_back_(came_back) {}
  ~MirrorTee();  // A body that was not completed by then was aborted by the client.
  MirrorTee(const MirrorTee&) = delete;
  MirrorTee& operator=(const MirrorTee&) = delete;

  // Draws the samples and serializes a head for each mirror: those of the rule after its filters,
  // those of the chosen backend after the filters of that.
  void Prepare(const Rule& rule, std::span<const Mirror> mirrors, const RequestHead& request);
  // The gateway answers itself: the copies are skipped.
  void Reject();
  // Sends the copies on their way; body events may follow.
  void Start();
  void Append(std::string_view data);
  // `trailers`: fields behind the body, or nullptr.
  void End(const HeaderMap* trailers);

  bool wants_body() const { return started_ && !ended_ && !copies_.empty(); }

 private:
  // False where the copy found no room.
  bool StartCopy(const MirrorCopyPtr& copy);

  WorkerContext& worker_;
  ExchangeTrace* const trace_;
  const bool came_back_;
  std::vector<MirrorCopyPtr> copies_;
  bool has_body_ = false;
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace apk
