// history and rollback: the log of change-sets.
#include <charconv>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/table.h"
#include "control-plane/resources/json.h"

namespace apk {
namespace {

constexpr int kNamedMax = 3;  // In a table's line.

std::optional<uint64_t> ParseNumber(const std::string& flag, const std::string& text) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && last == end && number > 0) return number;
  PrintError(Concat("--", flag, ": \"", text, "\" is no number above 0"));
  return std::nullopt;
}

std::string NameOf(const v1::RevisionChange& change) {
  return Concat(change.deleted() ? "-" : "", ResourceName(change.key()),
                change.key().namespace_().empty() ? "" : " in ", change.key().namespace_());
}

std::string ChangesOf(const v1::RevisionRecord& record) {
  std::vector<std::string> names;
  for (const v1::RevisionChange& change : record.changes()) {
    if (static_cast<int>(names.size()) == kNamedMax) break;
    names.push_back(NameOf(change));
  }
  const int more = record.changes_size() - static_cast<int>(names.size());
  std::string text = Join(names, ", ");
  if (more > 0) text += Concat(" and ", std::to_string(more), " more");
  return record.status_only() ? Concat("status: ", text) : text;
}

void PrintTable(const v1::ListRevisionsResponse& response) {
  std::vector<Row> rows = {{"REVISION", "AGE", "AUTHOR", "CHANGES"}};
  for (const v1::RevisionRecord& record : response.revisions()) {
    rows.push_back({std::to_string(record.revision()),
                    AgeOf(record.committed(), std::time(nullptr)), record.author(),
                    ChangesOf(record)});
  }
  std::cout << FormatTable(rows);
}

}  // namespace

int RunHistory(const GlobalFlags& global, const HistoryFlags& flags) {
  const std::optional<uint64_t> limit = ParseNumber("limit", flags.limit);
  if (!limit.has_value()) return 1;
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  v1::ListRevisionsRequest request;
  request.set_limit(static_cast<uint32_t>(std::min<uint64_t>(*limit, UINT32_MAX)));
  request.set_statuses(flags.statuses);
  const absl::StatusOr<v1::ListRevisionsResponse> response =
      session->client->ListRevisions(request);
  if (!response.ok()) return PrintError(response.status());
  if (flags.output == "table") {
    PrintTable(*response);
  } else {
    std::cout << (flags.output == "json" ? ToJson(*response).dump(4) + "\n" : ToYaml(*response));
  }
  return 0;
}

int RunRollback(const GlobalFlags& global, const std::string& to, const std::string& dry_run) {
  if (to.empty()) return PrintError("--to is missing: a revision, as apkctl history lists them");
  const std::optional<uint64_t> revision = ParseNumber("to", to);
  if (!revision.has_value()) return 1;
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  v1::RollbackRequest request;
  request.set_revision(*revision);
  request.set_dry_run(dry_run != "none");
  const absl::StatusOr<v1::RollbackResponse> response = session->client->Rollback(request);
  if (!response.ok()) return PrintError(response.status());
  for (const v1::ObjectResult& result : response->results()) {
    std::cout << ResourceName(result.key()) << " " << VerbOf(result.action())
              << (request.dry_run() ? " (server dry run)" : "") << "\n";
  }
  if (response->results().empty()) {
    std::cout << "nothing differs from revision " << *revision << "\n";
  } else if (!request.dry_run()) {
    std::cout << "rolled back to revision " << *revision << " as revision " << response->revision()
              << "\n";
  }
  return 0;
}

}  // namespace apk
