// A matcher for the plain expressions that API paths are made of: literals and character classes in
// a row, each perhaps repeated, where the next byte always says how to go on. A few dozen bytes
// that lie together, no state. Whatever is not so plain is RE2's. Pure, thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace apk {

bool IsAscii(std::string_view text);

// What an expression that RE2 takes compiles to; nullopt where it is not plain. Groups are allowed,
// but not remembered.
std::optional<std::string> CompileProgram(std::string_view expression);

// As RE2's full match of the expression. REQUIRES: IsAscii(text), as a class may mean characters of
// several bytes.
bool RunProgram(std::string_view program, std::string_view text);

}  // namespace apk
