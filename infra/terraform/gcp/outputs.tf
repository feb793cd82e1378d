output "destinations" {
  description = "What a spec's `destinations` begin with: append /NAME of the corpus."
  value       = [for bucket in google_storage_bucket.corpora : "gs://${bucket.name}"]
}

output "writer" {
  description = "Annotation iam.gke.io/gcp-service-account of the service account deepsentinel."
  value       = google_service_account.writer.email
}

output "trainer" {
  description = "Annotation iam.gke.io/gcp-service-account of the service account deepsentinel-train."
  value       = google_service_account.trainer.email
}

output "settings" {
  description = "Settings of workers on GKE, for the config map deepsentinel."
  value       = var.earthengine ? { DEEPSENTINEL_EARTHENGINE_PROJECT = var.project } : {}
}

output "credential_files" {
  description = "For clusters elsewhere, by issuer and service account: google.json of the secret deepsentinel-files. It is no secret: it says where to exchange a pod's token."
  value = {
    for name, provider in google_iam_workload_identity_pool_provider.cluster : name => {
      for account, identity in local.identities : account => jsonencode({
        type                              = "external_account"
        audience                          = "//iam.googleapis.com/${provider.name}"
        subject_token_type                = "urn:ietf:params:oauth:token-type:jwt"
        token_url                         = "https://sts.googleapis.com/v1/token"
        service_account_impersonation_url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${identity.email}:generateAccessToken"
        credential_source                 = { file = "/run/logins/token" }
      })
    }
  }
}
