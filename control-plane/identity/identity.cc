// First start: make; later: reuse, renew what runs out.
#include "control-plane/identity/identity.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr int kRenewDaysBefore = 30;

bool IsAddress(const std::string& name) {
  in6_addr parsed;
  return inet_pton(AF_INET, name.c_str(), &parsed) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &parsed) == 1;
}

// Reads <path>.crt and .key, or issues them anew.
absl::StatusOr<KeyPair> ReadOrIssue(const CertificateAuthority& authority, const std::string& path,
                                    const CertificateRequest& request) {
  KeyPair pair;
  const absl::StatusOr<std::string> certificate = ReadFile(path + ".crt");
  const absl::StatusOr<std::string> key = ReadPrivateFile(path + ".key");
  // The chain ends with the authority: one of an older authority is of no use.
  const bool valid = certificate.ok() && key.ok() && ValidForDays(*certificate, kRenewDaysBefore);
  if (valid && certificate->ends_with(authority.certificate_pem())) {
    pair.certificate_pem = *certificate;
    pair.key_pem = *key;
    return pair;
  }
  // While it is used, the key stays: who reads the files finds two that belong together.
  absl::StatusOr<KeyPair> anew = absl::NotFoundError("");
  if (valid) anew = authority.IssueAnew(*key, request);
  if (anew.ok()) {
    RETURN_IF_ERROR(WriteFile(path + ".crt", anew->certificate_pem, 0644));
    return anew;
  }
  ASSIGN_OR_RETURN(pair, authority.Issue(request));
  RETURN_IF_ERROR(WriteFile(path + ".key", pair.key_pem, 0600));
  RETURN_IF_ERROR(WriteFile(path + ".crt", pair.certificate_pem, 0644));
  return pair;
}

CertificateRequest ServerRequest(const std::vector<std::string>& names) {
  CertificateRequest request;
  request.common_name = "apk-control-plane";
  request.server = true;
  request.uri = "spiffe://apk/control-plane";
  request.dns_names = {"localhost", "apk-control-plane"};
  request.ip_addresses = {"127.0.0.1", "::1"};
  char host[HOST_NAME_MAX + 1] = "";
  if (gethostname(host, sizeof host - 1) == 0 && host[0] != '\0')
    request.dns_names.emplace_back(host);
  for (const std::string& name : names) {
    (IsAddress(name) ? request.ip_addresses : request.dns_names).push_back(name);
  }
  return request;
}

CertificateRequest ClientRequest(const CertificateAuthority& authority,
                                 const CertificateSubject& subject) {
  CertificateRequest request;
  request.common_name = subject.name;
  request.client = true;
  request.uri = Concat(kScheme, authority.trust_domain(), "/", subject.role, "/", subject.name);
  request.labels = subject.labels;
  return request;
}

// What the servers show is in memory alone: the files are of the start.
class ServerRenewal {
 public:
  ServerRenewal(std::shared_ptr<TrustInForce> trust, std::vector<std::string> names)
      : trust_(std::move(trust)), names_(std::move(names)), of_(trust_->Current()) {}

  absl::StatusOr<std::optional<KeyPair>> operator()(const KeyPair& present) {
    std::shared_ptr<const Trust> now = trust_->Current();
    const bool good = ValidForDays(present.certificate_pem, kRenewDaysBefore);
    if (good && now == of_) return std::nullopt;
    ASSIGN_OR_RETURN(KeyPair next, now->signer->Issue(ServerRequest(names_)));
    of_ = std::move(now);
    return next;
  }

 private:
  std::shared_ptr<TrustInForce> trust_;
  std::vector<std::string> names_;
  std::shared_ptr<const Trust> of_;  // Whose the present one is.
};

}  // namespace

Trust TrustIn(std::shared_ptr<const CertificateAuthority> authority) {
  Trust trust;
  trust.bundle_pem = authority->trust_pem();
  trust.anchor_pem = authority->certificate_pem();
  trust.further_anchors_pem = authority->others_pem();
  trust.signer = std::move(authority);
  return trust;
}

bool HasIdentity(const std::string& data_dir) {
  return FileExists(data_dir + "/pki/ca.crt") || FileExists(data_dir + "/pki/ca.key");
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> OpenAuthority(const std::string& data_dir,
                                                                    bool may_make) {
  const std::string directory = data_dir + "/pki";
  RETURN_IF_ERROR(MakeDirectory(directory, 0700));
  RETURN_IF_ERROR(CheckOwnDirectory(directory));
  absl::StatusOr<std::unique_ptr<CertificateAuthority>> authority =
      CertificateAuthority::Open(directory);
  if (!absl::IsNotFound(authority.status())) return authority;
  if (!may_make) {
    return absl::DataLossError(
        Concat("the store is there, but its certificate authority is lost: restore ca.crt and "
               "ca.key to ",
               directory, " from a back-up, or move store.db away to begin anew"));
  }
  return CertificateAuthority::Make(directory);
}

absl::Status KeepForeignAuthority(const std::string& data_dir,
                                  const CertificateAuthority& authority) {
  const std::string directory = data_dir + "/pki";
  RETURN_IF_ERROR(MakeDirectory(directory, 0700));
  RETURN_IF_ERROR(CheckOwnDirectory(directory));
  const std::string path = directory + "/ca.crt";
  const absl::StatusOr<std::string> before = ReadFile(path);
  if (before.ok() && *before == authority.trust_pem()) return absl::OkStatus();
  if (FileExists(directory + "/ca.key")) {
    return absl::FailedPreconditionError(
        Concat(directory,
               " has a certificate authority of its own, which is not that of the store: give "
               "another --data-dir"));
  }
  return WriteFile(path, authority.trust_pem(), 0644);
}

absl::StatusOr<Identity> OpenIdentity(const std::string& data_dir,
                                      std::unique_ptr<CertificateAuthority> authority,
                                      const std::vector<std::string>& names) {
  Identity identity;
  identity.directory = data_dir + "/pki";
  identity.authority = std::move(authority);
  const std::string& directory = identity.directory;
  // Names may have changed since the last start: the server's certificate is cheap, so it is always
  // new. Its files are for people to look at: a full disk must not keep the server from starting.
  ASSIGN_OR_RETURN(const KeyPair server, identity.authority->Issue(ServerRequest(names)));
  identity.development_server = server;
  identity.trust = std::make_shared<TrustInForce>(TrustIn(identity.authority));
  identity.server =
      std::make_shared<ServedCertificate>(server, ServerRenewal(identity.trust, names));
  absl::Status written = WriteFile(directory + "/server.key", server.key_pem, 0600);
  if (written.ok()) {
    written = WriteFile(directory + "/server.crt", server.certificate_pem, 0644);
  }
  if (!written.ok()) {
    LogWarning("server certificate not written", {{"reason", std::string(written.message())}});
  }
  return identity;
}

absl::Status IssueFirstCertificates(const std::string& directory,
                                    const CertificateAuthority& authority) {
  RETURN_IF_ERROR(ReadOrIssue(authority, directory + "/admin",
                              ClientRequest(authority, {.role = "user", .name = "admin"}))
                      .status());
  return ReadOrIssue(authority, directory + "/agent",
                     ClientRequest(authority, {.role = "agent", .name = "default"}))
      .status();
}

absl::Status WriteAuthorityFiles(const std::string& directory,
                                 const CertificateAuthority& authority) {
  const std::string key = directory + "/ca.key";
  if (FileExists(key)) RETURN_IF_ERROR(WriteFile(key, authority.key_pem(), 0600));
  RETURN_IF_ERROR(WriteFile(directory + "/ca.crt", authority.trust_pem(), 0644));
  return IssueFirstCertificates(directory, authority);
}

absl::Status IssueClientCertificate(const CertificateAuthority& authority,
                                    const CertificateSubject& subject, const std::string& out) {
  const std::string& name = subject.name;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    if (!plain)
      return absl::InvalidArgumentError(Concat("name ", name, ": letters, digits, - _ . only"));
  }
  if (name.empty() || name[0] == '.') return absl::InvalidArgumentError("a name is needed");
  RETURN_IF_ERROR(CheckLabels(subject.labels));
  ASSIGN_OR_RETURN(const KeyPair pair, authority.Issue(ClientRequest(authority, subject)));
  RETURN_IF_ERROR(MakeDirectory(out, 0700));
  RETURN_IF_ERROR(WriteFile(Concat(out, "/ca.crt"), authority.trust_pem(), 0644));
  RETURN_IF_ERROR(WriteFile(Concat(out, "/", name, ".key"), pair.key_pem, 0600));
  return WriteFile(Concat(out, "/", name, ".crt"), pair.certificate_pem, 0644);
}

absl::Status WriteClientConfig(const std::string& data_dir, const std::string& server) {
  char resolved[PATH_MAX];
  const std::string directory =
      realpath(data_dir.c_str(), resolved) != nullptr ? resolved : data_dir;
  const std::string pki = directory + "/pki";
  const std::string text = Concat(
      "# Written by apk-control-plane at each start; for apkctl on this machine.\n"
      "currentContext: local\n"
      "contexts:\n"
      "- name: local\n"
      "  server: \"",
      server,
      "\"\n"
      "  namespace: default\n"
      "  certificateAuthority: \"",
      pki,
      "/ca.crt\"\n"
      "  clientCertificate: \"",
      pki,
      "/admin.crt\"\n"
      "  clientKey: \"",
      pki, "/admin.key\"\n");
  const std::string path = directory + "/apkctl.yaml";
  const absl::StatusOr<std::string> before = ReadFile(path);
  return before.ok() && *before == text ? absl::OkStatus() : WriteFile(path, text, 0600);
}

}  // namespace apk
