// The TLS side of listeners and Gateways: certificates to show, clients to check. Pure.
#pragma once

#include <string_view>

#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/gateways.h"
#include "control-plane/translation/snapshot_assembly.h"

namespace apk {

// HTTPS and TLS: they may share a port, unlike others.
bool UsesTls(std::string_view protocol);

// Fills in what a TLS listener shows to clients and asks of them, and what is wrong with that.
// Certificates go into the assembly.
void EvaluateTls(const ResourceSet& resources, const v1::Gateway& gateway, ListenerState& state,
                 SnapshotAssembly& certificates);

// Fills in what the Gateway shows to backends, and whether any of its ports takes clients without a
// valid certificate.
void EvaluateTls(const ResourceSet& resources, GatewayState& state, SnapshotAssembly& certificates);

}  // namespace apk
