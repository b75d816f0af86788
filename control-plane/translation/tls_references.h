// References to certificates: Secrets to show, ConfigMaps to trust. Pure.
#pragma once

#include <string>
#include <string_view>

#include "apk/v1/gateway.pb.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/conditions.h"
#include "control-plane/translation/reference_grants.h"
#include "control-plane/translation/snapshot_assembly.h"

namespace apk {

// Puts the certificate into the assembly and gives its name there; "" where it can't be used, with
// the reason (RefNotPermitted, or `invalid`) added to `problem`. `where` is the field.
std::string ResolveCertificate(const ResourceSet& resources, const ReferenceFrom& from,
                               const v1::SecretObjectReference& reference, std::string_view where,
                               std::string_view invalid, Problem& problem,
                               SnapshotAssembly& assembly);

// One CA certificate, or a bundle of them, that something refers to.
struct CaReference {
  std::string_view group;
  std::string_view kind;
  std::string_view namespace_name;
  std::string_view name;
};

// Its PEM; "" where it can't be used, with the reason (RefNotPermitted, InvalidCACertificateRef, or
// `invalid_kind`) added to `problem`.
std::string ResolveCa(const ResourceSet& resources, const ReferenceFrom& from,
                      const CaReference& reference, std::string_view where,
                      std::string_view invalid_kind, Problem& problem);

}  // namespace apk
