// The IP addresses of a Gateway. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "apk/v1/gateway.pb.h"
#include "control-plane/translation/conditions.h"

namespace apk {

// What spec.addresses asks for, each address once and as inet_ntop writes it. An entry without a
// value gets a loopback address that is not in `picked`: the one that the Gateway's status has, or
// one that follows from its name; it is added to `picked`. None: the Gateway asks for none. Types
// that are not supported are added to `problem`.
std::vector<std::string> AddressesOf(const v1::Gateway& gateway, std::set<std::string>& picked,
                                     Problem& problem);

}  // namespace apk
