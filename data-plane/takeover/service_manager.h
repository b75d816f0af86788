// Tells systemd, or whoever started this process and understands its protocol, how the process is:
// sd_notify(3) without its library.
#pragma once

#include <string>

namespace apk {

// Lines such as READY=1 and MAINPID=42. Nothing where $NOTIFY_SOCKET names no socket, or where
// nobody is there.
void TellServiceManager(const std::string& lines);

// systemd watches this process and has not said how to tell it of another one, which it would end with this one.
bool ServiceManagerIsDeaf();

}  // namespace apk
