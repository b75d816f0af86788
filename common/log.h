// One line an event on standard error: time, level, message, key=value pairs. Thread-safe; not for
// the request path, which has the access log.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace apk {

using LogField = std::pair<std::string_view, std::string>;

// Sets the program's name that each line carries, and the least level: debug, info, warning or
// error.
void InitLog(std::string_view program, std::string_view level);

void LogDebug(std::string_view message, std::initializer_list<LogField> fields = {});
void LogInfo(std::string_view message, std::initializer_list<LogField> fields = {});
void LogWarning(std::string_view message, std::initializer_list<LogField> fields = {});
void LogError(std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace apk
