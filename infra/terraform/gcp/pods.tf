# Which pods are which identity: those of two service accounts of one namespace (infra/kubernetes/base).
locals {
  identities = {
    deepsentinel       = google_service_account.writer
    deepsentinel-train = google_service_account.trainer
  }
}

resource "google_service_account_iam_member" "gke" {
  for_each = var.gke_project == null ? {} : local.identities

  service_account_id = each.value.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.gke_project}.svc.id.goog[${var.namespace}/${each.key}]"
}

# Clusters elsewhere: Google trusts the tokens that they issue to these service accounts, for this audience.
resource "google_iam_workload_identity_pool" "clusters" {
  count = length(var.issuers) > 0 ? 1 : 0

  workload_identity_pool_id = "deepsentinel"
  display_name              = "DeepSentinel's clusters"
}

resource "google_iam_workload_identity_pool_provider" "cluster" {
  for_each = var.issuers

  workload_identity_pool_id          = google_iam_workload_identity_pool.clusters[0].workload_identity_pool_id
  workload_identity_pool_provider_id = each.key
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.sub in [${join(", ", [for name in keys(local.identities) : "'system:serviceaccount:${var.namespace}:${name}'"])}]"
  oidc {
    issuer_uri        = each.value
    allowed_audiences = ["deepsentinel"]
  }
}

resource "google_service_account_iam_member" "elsewhere" {
  for_each = length(var.issuers) > 0 ? local.identities : {}

  service_account_id = each.value.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.clusters[0].name}/subject/system:serviceaccount:${var.namespace}:${each.key}"
}
