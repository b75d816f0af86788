// The messages name the field, the object and what is wrong with it.
#include "control-plane/translation/tls_references.h"

#include "apk/v1/core.pb.h"
#include "common/strings.h"
#include "control-plane/translation/certificate_check.h"

namespace apk {
namespace {

// False, with the reason, where no ReferenceGrant permits it.
bool Permitted(const ResourceSet& resources, const ReferenceFrom& from, const ResourceKey& to,
               std::string_view where, Problem& problem) {
  if (ReferenceAllowed(resources, from, to)) return true;
  problem.Add(
      "RefNotPermitted",
      Concat(where, ": ", to.ToString(), ": no ReferenceGrant in namespace ", to.namespace_name,
             " permits it to ", from.kind, "s of ", from.namespace_name));
  return false;
}

}  // namespace

std::string ResolveCertificate(const ResourceSet& resources, const ReferenceFrom& from,
                               const v1::SecretObjectReference& reference, std::string_view where,
                               std::string_view invalid, Problem& problem,
                               SnapshotAssembly& assembly) {
  const ResourceKey key{.group = "",
                        .kind = "Secret",
                        .namespace_name = reference.namespace_().empty()
                                              ? std::string(from.namespace_name)
                                              : reference.namespace_(),
                        .name = reference.name()};
  if (!reference.group().empty() || (reference.has_kind() && reference.kind() != "Secret")) {
    problem.Add(invalid, Concat(where, ": kind ", reference.kind(), " of group \"",
                                reference.group(), "\" can't be used, Secret can"));
    return "";
  }
  if (!Permitted(resources, from, key, where, problem)) return "";
  const std::string what = Concat(where, ": ", key.ToString());
  const auto* const secret = resources.Find<v1::Secret>(key.namespace_name, key.name);
  if (secret == nullptr) {
    problem.Add(invalid, Concat(what, " not found"));
    return "";
  }
  const auto chain = secret->data().find("tls.crt");
  const auto private_key = secret->data().find("tls.key");
  if (chain == secret->data().end() || private_key == secret->data().end()) {
    problem.Add(invalid, Concat(what, " lacks tls.crt or tls.key"));
    return "";
  }
  const std::string wrong = CheckKeyPair(chain->second, private_key->second);
  if (!wrong.empty()) {
    problem.Add(invalid, Concat(what, ": ", wrong));
    return "";
  }
  const std::string name = Concat("certificate/", key.namespace_name, "/", key.name);
  v1::CertificateConfig& config = *assembly.Resource(name).mutable_certificate();
  config.set_certificate_chain_pem(chain->second);
  config.set_private_key_pem(private_key->second);
  const auto ocsp = secret->data().find("tls.ocsp");
  if (ocsp != secret->data().end()) config.set_ocsp_response(ocsp->second);
  return name;
}

std::string ResolveCa(const ResourceSet& resources, const ReferenceFrom& from,
                      const CaReference& reference, std::string_view where,
                      std::string_view invalid_kind, Problem& problem) {
  if (!reference.group.empty() || reference.kind != "ConfigMap") {
    problem.Add(invalid_kind, Concat(where, ": kind ", reference.kind, " of group \"",
                                     reference.group, "\" can't be used, ConfigMap can"));
    return "";
  }
  const ResourceKey key{
      .group = "",
      .kind = "ConfigMap",
      .namespace_name = std::string(reference.namespace_name.empty() ? from.namespace_name
                                                                     : reference.namespace_name),
      .name = std::string(reference.name)};
  if (!Permitted(resources, from, key, where, problem)) return "";
  const std::string what = Concat(where, ": ", key.ToString());
  const auto* const map = resources.Find<v1::ConfigMap>(key.namespace_name, key.name);
  if (map == nullptr) {
    problem.Add("InvalidCACertificateRef", Concat(what, " not found"));
    return "";
  }
  const auto found = map->data().find("ca.crt");
  if (found == map->data().end()) {
    problem.Add("InvalidCACertificateRef", Concat(what, " lacks ca.crt"));
    return "";
  }
  if (!HasCertificate(found->second)) {
    problem.Add("InvalidCACertificateRef", Concat(what, ": ca.crt holds no PEM certificate"));
    return "";
  }
  return found->second.ends_with('\n') ? found->second : found->second + "\n";
}

}  // namespace apk
