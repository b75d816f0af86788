"""Roles: who may read, edit and administrate what, by both APIs."""
import json
import subprocess
import unittest

import harness
from harness import Gateway, eventually
from users import User

ROLES = """
groups:
  shop: [ann]
bindings:
- {role: admin, users: [admin]}
- {role: editor, groups: [shop], namespaces: [shop]}
- {role: viewer, users: [eve]}
"""


def config_map(name, namespace, **labels):
    return (f"---\napiVersion: v1\nkind: ConfigMap\n"
            f"metadata: {{name: {name}, namespace: {namespace}, labels: {json.dumps(labels)}}}\ndata: {{key: '1'}}\n")


def secret(name, namespace):
    return (f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
            "stringData: {password: readable-by-few}\n")


def namespace(name):
    return f"---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"


class Roles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0)
        cls.addClassCleanup(cls.gateway.close)
        cls.file = cls.gateway.directory / "roles.yaml"
        cls.file.write_text(ROLES)
        cls.gateway.control_plane.stop()
        cls.gateway.control_plane_flags = ("--roles", str(cls.file))
        cls.gateway.start_control_plane()
        cls.ann, cls.eve, cls.stranger = (User(cls.gateway, name) for name in ("ann", "eve", "stranger"))
        cls.gateway.apply(namespace("shop") + namespace("bakery") + config_map("shelf", "shop")
                          + config_map("oven", "bakery") + secret("kept", "shop") + secret("kept", "bakery"),
                          settle=False)

    def refused(self, result, words):
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("Error from server (Forbidden): ", result.stderr)
        self.assertIn(words, result.stderr)

    def done(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def revision(self):
        return json.loads(self.gateway.apkctl("version", "-o", "json").stdout)["revision"]

    def test_an_editor_edits_and_reads_secrets_in_its_namespace_alone(self):
        self.done(self.ann.apkctl("apply", "-f", "-", stdin=config_map("mine", "shop")))
        self.done(self.ann.apkctl("delete", "cm", "mine", "-n", "shop"))
        self.assertIn("password", self.done(self.ann.apkctl("get", "secret", "kept", "-n", "shop", "-o", "yaml")))
        before = self.revision()
        self.refused(self.ann.apkctl("apply", "-f", "-", stdin=config_map("shelf", "shop", changed="yes")
                                     + config_map("theirs", "bakery")),
                     'configmaps "theirs" is forbidden: User "ann" cannot apply resource "configmaps" in API group '
                     '"" in the namespace "bakery"')
        self.refused(self.ann.apkctl("delete", "cm", "oven", "-n", "bakery"), 'cannot delete resource "configmaps"')
        self.refused(self.ann.apkctl("delete", "ns", "shop"), 'cannot delete resource "namespaces"')
        self.refused(self.ann.apkctl("get", "secret", "kept", "-n", "bakery"), 'cannot get resource "secrets"')
        self.refused(self.ann.apkctl("get", "cm", "-A"), 'at the cluster scope')
        self.assertEqual(self.revision(), before)

    def test_a_viewer_reads_all_but_secrets_and_changes_nothing(self):
        self.assertIn("oven", self.done(self.eve.apkctl("get", "cm", "-A")))
        self.done(self.eve.apkctl("history"))
        self.done(self.eve.apkctl("agents"))
        self.assertIn("kind: ConfigMap", self.done(self.eve.apkctl("export")))
        self.refused(self.eve.apkctl("get", "secrets", "-A"), 'User "eve" cannot list resource "secrets"')
        self.refused(self.eve.apkctl("export", "--with-secrets"), 'resource "exports"')
        self.refused(self.eve.apkctl("export", "--with-secrets"), "leave out --with-secrets")
        self.refused(self.eve.apkctl("token"), 'User "eve" cannot create resource "tokens"')
        self.done(self.ann.apkctl("token"))
        self.refused(self.eve.apkctl("get", "secrets", "-n", "shop", "-w"), 'resource "secrets"')
        self.refused(self.eve.apkctl("apply", "-f", "-", "--dry-run=server", stdin=config_map("shelf", "shop")),
                     'User "eve" cannot apply')
        self.refused(self.eve.apkctl("rollback", "--to", "1", "--dry-run"), 'resource "rollbacks"')
        self.refused(self.eve.apkctl("backup", "-o", self.gateway.directory / "never"), 'resource "backups"')

    def test_who_may_join_and_who_is_revoked_is_for_admins_to_say(self):
        for user in (self.ann, self.eve):
            for arguments in (("agents", "token", "create"), ("agents", "token", "list"), ("users", "revoke", "admin"),
                              ("users", "unrevoke", "eve"), ("revocations",)):
                self.refused(user.apkctl(*arguments), 'resource "identities"')
        self.gateway.apkctl("revocations")

    def test_who_has_no_role_may_nothing(self):
        for arguments in (("get", "ns"), ("agents",), ("token",), ("history",), ("export",)):
            self.refused(self.stranger.apkctl(*arguments), 'User "stranger" cannot')
        self.done(self.stranger.apkctl("version"))

    def test_pruning_deletes_nothing_that_the_user_may_not_delete(self):
        one, two = config_map("one", "shop", set="s"), config_map("two", "bakery", set="s")
        gateway_class = ("---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\n"
                         "metadata: {name: of-the-set, labels: {set: s}}\n"
                         "spec: {controllerName: apk.dev/gateway-controller}\n")
        self.gateway.apply(one + two + gateway_class, "--prune", "-l", "set=s", settle=False)
        self.refused(self.ann.apkctl("apply", "-f", "-", "--prune", "-l", "set=s", stdin=one),
                     '"of-the-set" is forbidden: User "ann" cannot delete')
        self.gateway.apkctl("get", "gatewayclass", "of-the-set")
        # Of namespaces that it does not visit an apply prunes nothing.
        self.gateway.apply(one, "--prune", "-l", "set=s", settle=False)
        self.done(self.ann.apkctl("apply", "-f", "-", "--prune", "-l", "set=s", stdin=one))
        self.gateway.apkctl("get", "cm", "two", "-n", "bakery")

    def test_the_kubernetes_api_answers_403_with_who_what_and_where(self):
        path = "/api/v1/namespaces/bakery/configmaps/oven"
        status, answer = self.ann.kubernetes("DELETE", path)
        self.assertEqual(status, 403)
        self.assertEqual({key: answer[key] for key in ("kind", "status", "reason", "code")},
                         {"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403})
        self.assertEqual(answer["message"], 'configmaps "oven" is forbidden: User "ann" cannot delete resource '
                                            '"configmaps" in API group "" in the namespace "bakery"')
        self.assertEqual(answer["details"], {"name": "oven", "kind": "configmaps"})
        patch = {"data": {"key": "2"}}
        for user, method, where, body in (
                (self.ann, "PATCH", path, patch), (self.eve, "PATCH", path, patch), (self.ann, "GET", path, None),
                (self.eve, "GET", "/api/v1/namespaces/shop/secrets/kept", None),
                (self.eve, "GET", "/api/v1/secrets", None), (self.eve, "GET", "/api/v1/secrets?watch=true", None),
                (self.ann, "POST", "/api/v1/namespaces", {"metadata": {"name": "new"}}),
                (self.stranger, "GET", "/api/v1/namespaces", None)):
            self.assertEqual(user.kubernetes(method, where, body, "application/merge-patch+json")[0], 403, where)
        self.assertEqual(self.eve.kubernetes("GET", path)[0], 200)
        self.assertEqual(self.ann.kubernetes("GET", "/api/v1/namespaces/shop/secrets")[0], 200)
        self.assertEqual(self.stranger.kubernetes("GET", "/version")[0], 200)
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"key": "1"}}
        self.assertEqual(self.ann.kubernetes("POST", "/api/v1/namespaces/shop/configmaps", made)[0], 201)
        self.assertEqual(self.ann.kubernetes("DELETE", "/api/v1/namespaces/shop/configmaps/made")[0], 200)

    def review(self, user, kind, **spec):
        group = "authentication" if kind == "SelfSubjectReview" else "authorization"
        status, answer = user.kubernetes("POST", f"/apis/{group}.k8s.io/v1/{kind.lower()}s", {
            "apiVersion": f"{group}.k8s.io/v1", "kind": kind, "spec": spec})
        self.assertEqual((status, answer["kind"]), (201, kind), answer)
        return answer["status"]

    def test_reviews_of_oneself_say_what_the_roles_say(self):
        def may(user, verb, resource, namespace="", group="", **more):
            status = self.review(user, "SelfSubjectAccessReview", resourceAttributes={
                "verb": verb, "resource": resource, "namespace": namespace, "group": group, **more})
            if not status["allowed"]:
                self.assertTrue(status["reason"])
            return status["allowed"]
        routes = {"resource": "httproutes", "group": "gateway.networking.k8s.io"}
        self.assertTrue(may(self.ann, "create", namespace="shop", **routes))
        self.assertFalse(may(self.ann, "create", namespace="bakery", **routes))
        self.assertFalse(may(self.ann, "list", **routes))
        self.assertTrue(may(self.eve, "list", **routes))
        self.assertFalse(may(self.eve, "patch", namespace="shop", **routes))
        self.assertFalse(may(self.eve, "get", "secrets", "shop"))
        self.assertTrue(may(self.ann, "get", "secrets", "shop"))
        self.assertFalse(may(self.ann, "patch", namespace="shop", subresource="status", **routes))
        self.assertFalse(may(self.ann, "*", "*"))
        self.assertFalse(may(self.ann, "list", "pods", "shop"))
        self.assertTrue(may(self.ann, "create", "tokens"))
        self.assertFalse(may(self.eve, "create", "backups"))
        self.assertFalse(may(self.stranger, "list", "namespaces"))
        rules = self.review(self.eve, "SelfSubjectRulesReview", namespace="shop")["resourceRules"]
        verbs = {rule["resources"][0]: rule["verbs"] for rule in rules}
        self.assertEqual(verbs["httproutes"], ["get", "list", "watch"])
        self.assertNotIn("secrets", verbs)
        self.assertEqual(self.review(self.ann, "SelfSubjectReview")["userInfo"]["username"], "ann")

    def test_another_file_is_in_force_at_once_and_one_that_is_wrong_is_not(self):
        self.addCleanup(self.file.write_text, ROLES)
        self.refused(self.stranger.apkctl("get", "ns"), "cannot list")
        self.file.write_text(ROLES + "- {role: viewer, users: [stranger]}\n")
        self.done(self.stranger.apkctl("get", "ns"))
        self.file.write_text("bindings: [{role: king, users: [stranger]}]\n")
        self.done(self.stranger.apkctl("get", "ns"))
        self.assertRegex(self.gateway.control_plane.tail(), r"roles stay as they were.*roles\.yaml:1:19: role must be")
        self.file.write_text(ROLES)
        self.refused(self.stranger.apkctl("get", "ns"), "cannot list")

    def test_a_watch_ends_with_the_right_to_it(self):
        self.addCleanup(self.file.write_text, ROLES)
        self.file.write_text(ROLES + "- {role: viewer, users: [stranger]}\n")
        with self.stranger.connection() as connection:
            connection.request("GET", "/api/v1/namespaces/shop/configmaps?watch=true")
            answer = connection.getresponse()
            self.assertEqual(json.loads(answer.readline())["type"], "ADDED")
            self.file.write_text(ROLES)
            self.gateway.apply(config_map("unseen", "shop"), settle=False)
            last = [json.loads(line) for line in answer][-1]
        self.assertEqual((last["type"], last["object"]["reason"]), ("ERROR", "Forbidden"))

    def test_a_watch_by_apkctl_ends_with_the_right_to_it(self):
        self.addCleanup(self.file.write_text, ROLES)
        self.file.write_text(ROLES + "- {role: viewer, users: [stranger]}\n")
        watching = subprocess.Popen([str(harness.BIN / "apkctl"), "--config", str(self.stranger.config), "get", "cm", "-n",
                                     "shop", "-w"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("NAME", watching.stdout.readline())
        self.file.write_text(ROLES)
        _, errors = watching.communicate(timeout=harness.PATIENCE)
        self.assertIn("Error from server (Forbidden): ", errors)

    def test_a_file_that_is_wrong_keeps_the_control_plane_from_starting(self):
        wrong = self.gateway.directory / "wrong.yaml"
        wrong.write_text("bindings:\n- {role: admin, users: [admin], namespaces: [shop]}\n")
        started = harness.Process("apk-control-plane.wrong", "--data-dir", self.gateway.directory / "other", "--roles",
                                  wrong, wait=False, directory=self.gateway.directory)
        try:
            eventually(lambda: started.process.poll() is not None, "it gives up")
            self.assertRegex(started.tail(), r"--roles: .*wrong\.yaml:2:45: an admin is one everywhere")
        finally:
            self.assertEqual(started.stop(), 1)


if __name__ == "__main__":
    harness.main()
