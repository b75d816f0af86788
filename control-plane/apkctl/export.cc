// export: everything as manifests that an apply takes again.
#include <unistd.h>

#include <iostream>
#include <map>

#include "common/private_file.h"
#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/written_form.h"
#include "control-plane/resources/json.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

// The documents of each kind, by the kind's place in the registry: namespaces come first.
struct Exported {
  std::map<size_t, std::string> documents;
  size_t objects = 0;
  uint64_t revision = 0;
  uint32_t secrets_left_out = 0;
};

size_t PlaceOf(const Kind& kind) { return static_cast<size_t>(&kind - AllKinds().data()); }

absl::Status Add(const v1::ExportResponse& part, Exported& exported) {
  exported.revision = part.revision();
  exported.secrets_left_out = part.secrets_left_out();
  for (const google::protobuf::Any& any : part.objects()) {
    const auto object = Unpack(any);
    if (object == nullptr) {
      return absl::FailedPreconditionError(
          Concat("the control plane sent a ", any.type_url(),
                 ", which this apkctl can't read: use the version of the control plane"));
    }
    DropOwned(*object);
    std::string& documents = exported.documents[PlaceOf(*FindKind(object->GetDescriptor()))];
    documents += Concat(documents.empty() ? "" : "---\n", ToYaml(*object));
    ++exported.objects;
  }
  return absl::OkStatus();
}

// "02-secrets.yaml": a directory is applied in the order of the names.
std::string FileOf(const std::string& directory, size_t place) {
  const std::string number = std::to_string(place);
  return Concat(directory, "/", number.size() < 2 ? "0" : "", number, "-", AllKinds()[place].plural,
                ".yaml");
}

// A file for each kind. What an earlier export left of a kind that has no objects any more goes, so
// that the directory holds what the control plane holds.
absl::Status WriteDirectory(const Exported& exported, const std::string& directory) {
  absl::Status status = MakeDirectory(directory, 0755);
  for (size_t place = 0; place < AllKinds().size() && status.ok(); ++place) {
    const std::string path = FileOf(directory, place);
    const bool secret = AllKinds()[place].name == "Secret";
    const auto found = exported.documents.find(place);
    if (found != exported.documents.end()) {
      status = WriteFile(path, found->second, secret ? 0600 : 0644);
    } else if (!secret || exported.secrets_left_out == 0) {
      unlink(path.c_str());
    }
  }
  return status;
}

void Print(const Exported& exported) {
  bool first = true;
  for (const auto& [place, documents] : exported.documents) {
    std::cout << (first ? "" : "---\n") << documents;
    first = false;
  }
  std::cout.flush();
}

}  // namespace

int RunExport(const GlobalFlags& global, const ExportFlags& flags) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  v1::ExportRequest request;
  request.set_namespace_(global.namespace_name);
  request.set_secrets(flags.with_secrets);
  Exported exported;
  const absl::Status received = session->client->Export(
      request, [&](const v1::ExportResponse& part) { return Add(part, exported); });
  if (!received.ok()) return PrintError(received);
  if (flags.output == "-") {
    Print(exported);
  } else {
    const absl::Status written = WriteDirectory(exported, flags.output);
    if (!written.ok()) return PrintError(std::string(written.message()));
  }
  std::cerr << exported.objects << " objects of revision " << exported.revision << " exported"
            << (flags.output == "-" ? "" : " to " + flags.output) << "\n";
  if (exported.secrets_left_out > 0) {
    std::cerr << "Note: " << exported.secrets_left_out
              << " Secrets were left out; --with-secrets takes them along, readable for anybody\n";
  }
  return 0;
}

}  // namespace apk
