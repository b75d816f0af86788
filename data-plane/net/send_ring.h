// Short messages to many sockets in one system call, by io_uring. Used by one thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "common/descriptor.h"

struct io_uring_cqe;
struct io_uring_sqe;

namespace apk {

class SendRing {
 public:
  static constexpr size_t kMessagesMax = 32;

  // nullptr where the kernel has none, or does not let this process have one: many containers don't.
  static std::unique_ptr<SendRing> Open();
  ~SendRing();
  SendRing(const SendRing&) = delete;
  SendRing& operator=(const SendRing&) = delete;

  struct Message {
    int descriptor = -1;
    std::string_view bytes;
    int sent = 0;  // Afterwards: how many of them were taken, or an error, negative.
  };
  // Each as send() with MSG_DONTWAIT would. In no order: at most one for each socket. False: it no longer works, and
  // what `sent` says is all that was done. REQUIRES: at most kMessagesMax.
  bool Send(std::span<Message> messages);

 private:
  // What the kernel and the program share.
  struct Mapping {
    void* address = nullptr;
    size_t size = 0;
  };

  SendRing() = default;
  bool Map(size_t offset, size_t size, Mapping& mapping);

  Descriptor ring_;
  std::array<Mapping, 3> mappings_;
  unsigned* submit_tail_ = nullptr;
  unsigned submit_mask_ = 0;
  unsigned* submit_order_ = nullptr;
  io_uring_sqe* submissions_ = nullptr;
  unsigned* done_head_ = nullptr;
  unsigned* done_tail_ = nullptr;
  unsigned done_mask_ = 0;
  io_uring_cqe* done_ = nullptr;
};

}  // namespace apk
