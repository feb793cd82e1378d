output "destinations" {
  description = "What a spec's `destinations` begin with: append /NAME of the corpus."
  value       = [for container in azurerm_storage_container.corpora : "az://${container.name}"]
}

output "settings" {
  description = "Settings of workers, for the config map deepsentinel; for a laptop after `az login`, too."
  value       = { DEEPSENTINEL_AZURE_ACCOUNT_NAME = azurerm_storage_account.corpora.name }
}

output "writer_client_id" {
  description = "Annotation azure.workload.identity/client-id of the service account deepsentinel."
  value       = azurerm_user_assigned_identity.writer.client_id
}

output "trainer_client_id" {
  description = "Annotation azure.workload.identity/client-id of the service account deepsentinel-train."
  value       = azurerm_user_assigned_identity.trainer.client_id
}

output "tenant_id" {
  description = "Tenant of the identities; AKS knows it by itself, the webhook on another cluster is told."
  value       = azurerm_user_assigned_identity.writer.tenant_id
}
