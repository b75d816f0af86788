// A secret is one key, written once.
#include "control-plane/store/shared_secrets.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {

absl::StatusOr<std::string> SharedSecrets::Get(const std::string& name) const {
  EtcdTransaction look;
  look.reads = {{.key = keys_.Shared(name), .end = ""}};
  ASSIGN_OR_RETURN(EtcdOutcome outcome, client_.Commit(look));
  if (outcome.ranges.at(0).empty()) {
    return absl::NotFoundError(Concat("etcd: there is no ", keys_.Shared(name)));
  }
  return std::move(outcome.ranges[0].front().value);
}

absl::StatusOr<std::string> SharedSecrets::GetOrMake(
    const std::string& name, const std::function<absl::StatusOr<std::string>()>& make) const {
  absl::StatusOr<std::string> present = Get(name);
  if (!absl::IsNotFound(present.status())) return present;
  ASSIGN_OR_RETURN(const std::string made, make());
  EtcdTransaction transaction;
  transaction.compares = {
      {.what = EtcdCompare::What::kCreateRevision, .key = keys_.Shared(name), .revision = 0}};
  transaction.writes = {
      {.what = EtcdWrite::What::kPut, .key = keys_.Shared(name), .value = made, .range_end = ""}};
  RETURN_IF_ERROR(client_.Commit(transaction).status());
  return Get(name);
}

}  // namespace apk
