// io_uring(7), without its library: of one operation there is little to wrap.
#include "data-plane/net/send_ring.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace apk {
namespace {

template <class T>
T* At(void* base, size_t offset) {
  return reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}

unsigned Load(unsigned* shared) {
  return std::atomic_ref<unsigned>(*shared).load(std::memory_order_acquire);
}

void Store(unsigned* shared, unsigned value) {
  std::atomic_ref<unsigned>(*shared).store(value, std::memory_order_release);
}

}  // namespace

bool SendRing::Map(size_t offset, size_t size, Mapping& mapping) {
  void* const address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                             ring_.get(), static_cast<off_t>(offset));
  if (address == MAP_FAILED) return false;
  mapping = {.address = address, .size = size};
  return true;
}

std::unique_ptr<SendRing> SendRing::Open() {
  io_uring_params params{};
  const auto descriptor = static_cast<int>(syscall(SYS_io_uring_setup, kMessagesMax, &params));
  if (descriptor < 0) return nullptr;
  std::unique_ptr<SendRing> ring(new SendRing());
  ring->ring_ = Descriptor(descriptor);
  auto& [submit, done, entries] = ring->mappings_;
  if (!ring->Map(IORING_OFF_SQ_RING, params.sq_off.array + params.sq_entries * sizeof(unsigned),
                 submit) ||
      !ring->Map(IORING_OFF_CQ_RING, params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe),
                 done) ||
      !ring->Map(IORING_OFF_SQES, params.sq_entries * sizeof(io_uring_sqe), entries)) {
    return nullptr;
  }
  ring->submit_tail_ = At<unsigned>(submit.address, params.sq_off.tail);
  ring->submit_mask_ = *At<unsigned>(submit.address, params.sq_off.ring_mask);
  ring->submit_order_ = At<unsigned>(submit.address, params.sq_off.array);
  ring->submissions_ = At<io_uring_sqe>(entries.address, 0);
  ring->done_head_ = At<unsigned>(done.address, params.cq_off.head);
  ring->done_tail_ = At<unsigned>(done.address, params.cq_off.tail);
  ring->done_mask_ = *At<unsigned>(done.address, params.cq_off.ring_mask);
  ring->done_ = At<io_uring_cqe>(done.address, params.cq_off.cqes);
  return ring;
}

SendRing::~SendRing() {
  for (const Mapping& mapping : mappings_) {
    if (mapping.address != nullptr) munmap(mapping.address, mapping.size);
  }
}

bool SendRing::Send(std::span<Message> messages) {
  unsigned tail = *submit_tail_;
  for (size_t i = 0; i < messages.size(); ++i) {
    const unsigned slot = tail++ & submit_mask_;
    io_uring_sqe& submission = submissions_[slot];
    std::memset(&submission, 0, sizeof submission);
    submission.opcode = IORING_OP_SEND;
    submission.fd = messages[i].descriptor;
    submission.addr = reinterpret_cast<uintptr_t>(messages[i].bytes.data());
    submission.len = static_cast<unsigned>(messages[i].bytes.size());
    submission.msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    submission.user_data = i;
    submit_order_[slot] = slot;
    messages[i].sent = -EAGAIN;
  }
  Store(submit_tail_, tail);
  auto unsubmitted = static_cast<unsigned>(messages.size());
  auto awaited = unsubmitted;
  while (awaited > 0) {
    const long submitted = syscall(SYS_io_uring_enter, ring_.get(), unsubmitted, awaited,
                                   IORING_ENTER_GETEVENTS, nullptr, 0);
    const bool broken = submitted < 0 && errno != EINTR;
    if (submitted > 0) unsubmitted -= static_cast<unsigned>(submitted);
    // What was submitted is done: none of it waits.
    unsigned head = *done_head_;
    for (const unsigned end = Load(done_tail_); head != end; ++head, --awaited) {
      const io_uring_cqe& one = done_[head & done_mask_];
      messages[one.user_data].sent = one.res;
    }
    Store(done_head_, head);
    if (broken) return false;
  }
  return true;
}

}  // namespace apk
