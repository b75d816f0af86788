// A named thread that is joined when it goes out of scope.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace apk {

class Thread {
 public:
  Thread() = default;
  // `name` is cut to 15 characters; `nice` applies to this thread alone (Linux), and with it its
  // core is left at once to others that wake.
  Thread(std::string name, int nice, std::function<void()> body);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&&) = default;
  ~Thread() { Join(); }

  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
};

}  // namespace apk
