// A file descriptor that is closed with its owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace apk {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  ~Descriptor() { Reset(); }

  explicit operator bool() const { return number_ >= 0; }
  int get() const { return number_; }
  int Release() { return std::exchange(number_, -1); }
  void Reset(int number = -1) {
    const int before = std::exchange(number_, number);
    if (before >= 0) close(before);
  }

 private:
  int number_ = -1;
};

}  // namespace apk
