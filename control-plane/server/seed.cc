// What is there is looked up and left; what is not is made.
#include "control-plane/server/seed.h"

#include <algorithm>

#include "apk/v1/backend.pb.h"
#include "apk/v1/policies.pb.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/admin/admission.h"

namespace apk {
namespace {

constexpr char kAuthor[] = "control-plane";
constexpr std::string_view kScheme = "https://";

class Seeder {
 public:
  Seeder(const SeedOptions& options, const CertificateAuthority& authority,
         Configuration& configuration)
      : options_(options), authority_(authority), configuration_(configuration) {}

  // Of several control planes that find an empty store one fills it, and the others find it filled.
  absl::Status Run() {
    if (configuration_.Current().revision == 0) {
      ASSIGN_OR_RETURN(request_, MakeDefaults(options_.defaults, authority_));
      request_.set_create_only(true);
      const absl::Status applied = Apply();
      if (!absl::IsAlreadyExists(applied)) return applied;
      request_.Clear();
    }
    for (MessagePtr& object : Unpacked(MakeEssentials())) {
      if (Present(*object) == nullptr) Want(*object);
    }
    if (options_.defaults.token_port == 0) {
      RETURN_IF_ERROR(Apply());
      return RemoveIssuer();
    }
    if (options_.defaults.gateway) RETURN_IF_ERROR(KeepIssuer());
    return Apply();
  }

 private:
  static std::vector<MessagePtr> Unpacked(const v1::ApplyRequest& request) {
    std::vector<MessagePtr> objects;
    for (const google::protobuf::Any& any : request.objects()) {
      for (const Kind& kind : AllKinds()) {
        MessagePtr object = kind.New();
        if (any.type_url().ends_with("/" + kind.descriptor->full_name()) &&
            object->ParseFromString(any.value())) {
          objects.push_back(std::move(object));
        }
      }
    }
    return objects;
  }

  ResourcePtr Present(const google::protobuf::Message& object) const {
    return configuration_.Current().resources->Find(KeyOf(object));
  }

  void Want(const google::protobuf::Message& object) { request_.add_objects()->PackFrom(object); }

  absl::Status Apply() {
    if (request_.objects().empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const v1::ApplyResponse applied, configuration_.Apply(request_, kAuthor));
    for (const v1::Violation& violation : applied.violations()) {
      if (violation.reason() == v1::Violation::ALREADY_EXISTS) {
        return absl::AlreadyExistsError(violation.message());
      }
      if (violation.severity() == v1::Violation::ERROR) {
        return absl::InternalError(
            Concat("defaults: ", violation.field_path(), ": ", violation.message()));
      }
    }
    return absl::OkStatus();
  }

  absl::Status KeepIssuer() {
    for (MessagePtr& object : Unpacked(MakeTokenRoute(options_.defaults, authority_))) {
      const ResourcePtr present = Present(*object);
      if (present != nullptr) {
        MessagePtr moved(present->New());
        moved->CopyFrom(*present);
        if (Readdress(*moved)) Want(*moved);
      } else {
        Want(*object);
      }
    }
    return absl::OkStatus();
  }

  // Whatever a user changed in them: without the issuer none of them works, and its tokens are not
  // to be trusted any longer.
  absl::Status RemoveIssuer() {
    v1::DeleteRequest request;
    std::vector<std::string> names;
    for (const MessagePtr& object : Unpacked(MakeTokenRoute(options_.defaults, authority_))) {
      if (Present(*object) == nullptr) continue;
      *request.add_keys() = ToProto(KeyOf(*object));
      names.push_back(NameInErrors(KeyOf(*object)));
    }
    if (request.keys().empty()) return absl::OkStatus();
    RETURN_IF_ERROR(configuration_.Delete(request, kAuthor).status());
    LogWarning(options_.shared
                   ? "the development token issuer is removed, for all control planes of the store "
                     "(--development-token-issuer=false): start the others so, too"
                   : "the development token issuer is removed (--development-token-issuer=false)",
               {{"objects", Join(names, ", ")}});
    return absl::OkStatus();
  }

  bool IsOwn(std::string_view host) const {
    return std::find(options_.own_hosts.begin(), options_.own_hosts.end(), host) !=
           options_.own_hosts.end();
  }

  // True where the object points to this control plane, at another address than the present one;
  // then it is changed, and nothing else in it.
  bool Readdress(google::protobuf::Message& object) const {
    const std::string& kind = object.GetDescriptor()->name();
    if (kind == "Backend") return Readdress(static_cast<v1::Backend&>(object));
    return kind == "TokenIssuer" && Readdress(static_cast<v1::TokenIssuer&>(object));
  }

  bool Readdress(v1::Backend& backend) const {
    if (backend.spec().services_size() != 1) return false;
    v1::BackendService* const service = backend.mutable_spec()->mutable_services(0);
    const DefaultsOptions& now = options_.defaults;
    const bool ours = service->host() == now.token_host && service->port() == now.token_port;
    if (!ours && !IsOwn(service->host())) return false;
    service->set_host(now.token_host);
    service->set_port(now.token_port);
    return Trust(*backend.mutable_spec()->mutable_tls()) || !ours;
  }

  // The authority may have been rotated since.
  template <class Tls>
  bool Trust(Tls& tls) const {
    const std::string now = authority_.trust_pem();
    if (tls.certificate_inline() == now || tls.certificate_inline().empty()) return false;
    tls.set_certificate_inline(now);
    return true;
  }

  bool Readdress(v1::TokenIssuer& issuer) const {
    const std::string wanted = JwksUrl(options_.defaults);
    v1::Jwks& jwks = *issuer.mutable_spec()->mutable_signature_validation()->mutable_jwks();
    const std::string& url = jwks.url();
    if (url == wanted) return Trust(*jwks.mutable_tls());
    if (!url.starts_with(kScheme)) return false;
    const std::string_view rest = std::string_view(url).substr(kScheme.size());
    const std::string_view authority = rest.substr(0, rest.find('/'));
    std::string_view host = authority.substr(0, authority.rfind(':'));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (!IsOwn(host) || rest.substr(authority.size()) != kJwksPath) return false;
    jwks.set_url(wanted);
    Trust(*jwks.mutable_tls());
    return true;
  }

  const SeedOptions& options_;
  const CertificateAuthority& authority_;
  Configuration& configuration_;
  v1::ApplyRequest request_;
};

}  // namespace

absl::Status Seed(const SeedOptions& options, const CertificateAuthority& authority,
                  Configuration& configuration) {
  return Seeder(options, authority, configuration).Run();
}

}  // namespace apk
