// Session persistence of a rule (Gateway API, SessionPersistence) as agents run it, and what else
// agents sign. Pure.
#pragma once

#include <string>

#include "apk/v1/routes.pb.h"
#include "apk/v1/snapshot.pb.h"
#include "control-plane/resources/resource_set.h"

namespace apk {

// Of the Secret in kOwnNamespace that holds, under "key", the bytes that all signing keys are
// derived from.
inline constexpr char kSessionSecretName[] = "session-persistence";

// The key that signs the sessions of one rule, "namespace/route/rule"; "" where there is no Secret.
std::string SessionKeyFor(const ResourceSet& resources, const std::string& rule);

// The key that marks copies for mirrors, 16 bytes; "" where there is no Secret.
std::string MirrorLoopKey(const ResourceSet& resources);

void FillSessionPersistence(const v1::SessionPersistence& session, const std::string& rule,
                            const std::string& key, v1::SessionPersistenceConfig* config);

}  // namespace apk
