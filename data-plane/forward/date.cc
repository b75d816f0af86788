// gmtime and strftime are dear beside a request: the text is kept for its second.
#include "data-plane/forward/date.h"

#include <ctime>

namespace apk {

std::string_view HttpDate() {
  thread_local time_t made_at = 0;
  thread_local char text[32];
  thread_local size_t size = 0;
  timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != made_at) {
    made_at = now.tv_sec;
    tm calendar;
    gmtime_r(&made_at, &calendar);
    size = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &calendar);
  }
  return std::string_view(text, size);
}

}  // namespace apk
