// What a record proves. Pure.
#pragma once

#include <string>
#include <vector>

#include "tests/proof/record.h"

namespace apk::proof {

// One line for each thing that can't be; none: everything is as promised.
//
// Linearizability of each object; then what revisions promise beyond that: they never go back from
// an answer to one that was asked for later, no two changes share one, and what is read at a
// revision is what was written last up to it; then what watches promise: each change once, in the
// order of revisions, none left out and none that nobody made.
std::vector<std::string> FaultsOf(const Record& record);

}  // namespace apk::proof
