// Registration is a swap with the last: order does not matter.
#include "data-plane/net/deadline.h"

namespace apk {

Deadline::Deadline(DeadlineList& list) : list_(list), index_(list.deadlines_.size()) {
  list_.deadlines_.push_back(this);
}

Deadline::~Deadline() {
  Deadline* const last = list_.deadlines_.back();
  list_.deadlines_[index_] = last;
  last->index_ = index_;
  list_.deadlines_.pop_back();
}

void DeadlineList::Sweep(TimePoint now) {
  for (Deadline* const deadline : deadlines_) {
    if (deadline->at_ > now) continue;
    deadline->at_ = kNoDeadline;
    deadline->OnDeadline();
  }
}

}  // namespace apk
