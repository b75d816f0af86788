// Sets of objects that are applied together: what left the files of a set leaves the configuration.
// Whom a set has is noted in its objects, in the annotation kApplySetAnnotation, so that nothing is
// deleted that merely has the same labels. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "control-plane/admin/admission.h"
#include "control-plane/resources/label_selector.h"

namespace apk {

// Its value is the label selector that the object was applied with.
inline constexpr char kApplySetAnnotation[] = "apk.dev/apply-set";

// INVALID_ARGUMENT where the selector is none or empty, or nothing is applied: deleting all of a
// set is `delete`'s business.
absl::StatusOr<LabelSelector> ParsePrune(const v1::ApplyRequest& request);

// Notes in the objects that they are of the set. False, and it is a violation, where one of them
// does not have the labels: it could not be found again.
bool JoinSet(const v1::Prune& prune, const LabelSelector& selector,
             const std::vector<MessagePtr>& objects, v1::ApplyResponse& response);

// What is of the set and has its labels, but is not in `applied`; sorted. FAILED_PRECONDITION
// where a namespace is among them that has objects which are not.
absl::StatusOr<std::vector<ResourceKey>> FindPruned(const v1::Prune& prune,
                                                    const LabelSelector& selector,
                                                    const ResourceSet& resources,
                                                    const std::vector<ResourceKey>& applied);

}  // namespace apk
