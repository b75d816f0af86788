// Manifests on their way to the control plane, as apply and diff have it: read, check, send as one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/manifest_files.h"
#include "control-plane/apkctl/problem_report.h"

namespace apk {

using Documents = std::vector<ManifestDocument>;

// Adds what the server would say of each object on its own, with nobody asked.
void CheckOffline(const Documents& documents, ProblemReport& report);

// nullopt where one of them is wrong; what is wrong with all of them is printed then.
std::optional<Documents> ReadDocuments(const Session& session, const FileFlags& input,
                                       const std::string& forced_namespace, ProblemReport& report);

struct SendOptions {
  bool dry_run = false;
  std::string prune;  // A selector: what left its set is deleted; "": nothing is.
};

// One transaction. nullopt where it was refused, which is printed then. Results are in the order of
// the documents, then comes what was pruned.
std::optional<v1::ApplyResponse> Send(const Session& session, const Documents& documents,
                                      const SendOptions& options, ProblemReport& report);

// Prints that nothing was changed. Returns exit code 1.
int Refuse(ProblemReport& report);

}  // namespace apk
