// A named thread that is joined when it goes out of scope.
#pragma once

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace apk {

class Thread {
 public:
  Thread() = default;
  // `name` is cut to 15 characters; `nice` applies to this thread alone (Linux).
  Thread(std::string name, int nice, std::function<void()> body)
      : thread_([name = std::move(name), nice, body = std::move(body)] {
          pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
          if (nice != 0) setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), nice);
          body();
        }) {}
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
