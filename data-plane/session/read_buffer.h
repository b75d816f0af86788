// Bytes read and not yet used, contiguous. Grows up to a limit, keeps what it has.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace apk {

class ReadBuffer {
 public:
  static constexpr size_t kInitialBytes =
      20 * 1024;  // A head and 16 KiB of a body come in one read.

  std::string_view data() const { return std::string_view(bytes_.get() + begin_, end_ - begin_); }
  bool empty() const { return begin_ == end_; }

  // Moves `size` bytes of data() that begin at `from` to where they begin at `to`, before it.
  void MoveBack(size_t to, size_t from, size_t size) {
    std::memmove(bytes_.get() + begin_ + to, bytes_.get() + begin_ + from, size);
  }

  void Consume(size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  // Makes room for at least one byte and returns where to read to. Views of data() become invalid.
  // The free space never exceeds what is needed to reach `size_max` in all; 0 means full.
  struct Space {
    char* data;
    size_t size;
  };
  Space Prepare(size_t size_max) {
    if (begin_ > 0 && end_ == capacity_) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == capacity_ && capacity_ < size_max) Grow(size_max);
    return Space{bytes_.get() + end_, capacity_ - end_};
  }
  void Commit(size_t bytes) { end_ += bytes; }

  // Doubles what one read can bring, up to `size_max` in all. REQUIRES: empty().
  void Widen(size_t size_max) {
    if (capacity_ > 0 && capacity_ < size_max) Grow(size_max);
  }

 private:
  void Grow(size_t size_max) {
    size_t capacity = capacity_ == 0 ? kInitialBytes : capacity_ * 2;
    if (capacity > size_max) capacity = size_max;
    std::unique_ptr<char[]> grown(new char[capacity]);
    if (end_ > begin_) std::memcpy(grown.get(), bytes_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    bytes_ = std::move(grown);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace apk
