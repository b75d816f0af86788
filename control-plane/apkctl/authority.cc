// authority show, add, use, retire: rotating the certificate authority.
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/printable.h"
#include "control-plane/apkctl/table.h"
#include "control-plane/resources/json.h"

namespace apk {
namespace {

void PrintTable(const v1::Authorities& told) {
  std::vector<Row> rows = {{"STATE", "FINGERPRINT", "EXPIRES"}};
  for (const v1::Authorities::Authority& authority : told.authorities()) {
    rows.push_back({authority.state(), authority.fingerprint(), authority.expires()});
  }
  std::cout << FormatTable(rows);
  if (told.waiting().empty()) return;
  std::cout << "Agents with certificates of the previous one: "
            << Printable(Join({told.waiting().begin(), told.waiting().end()}, ", ")) << "\n";
}

void Print(const v1::Authorities& told, const std::string& output) {
  if (output == "table") return PrintTable(told);
  nlohmann::ordered_json document;
  document["authorities"] = nlohmann::ordered_json::array();
  for (const v1::Authorities::Authority& authority : told.authorities()) {
    document["authorities"].push_back({{"state", authority.state()},
                                       {"fingerprint", authority.fingerprint()},
                                       {"expires", authority.expires()}});
  }
  document["waiting"] = std::vector<std::string>(told.waiting().begin(), told.waiting().end());
  std::cout << (output == "json" ? document.dump(4) + "\n" : ToYaml(document));
}

}  // namespace

int RunShowAuthority(const GlobalFlags& global, const std::string& output) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::Authorities> told = session->client->GetAuthorities();
  if (!told.ok()) return PrintError(told.status());
  Print(*told, output);
  return 0;
}

int RunRotateAuthority(const GlobalFlags& global, v1::RotateAuthorityRequest::Step step,
                       bool force) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  v1::RotateAuthorityRequest request;
  request.set_step(step);
  request.set_force(force);
  const absl::StatusOr<v1::Authorities> told = session->client->RotateAuthority(request);
  if (!told.ok()) return PrintError(told.status());
  PrintTable(*told);
  return 0;
}

}  // namespace apk
