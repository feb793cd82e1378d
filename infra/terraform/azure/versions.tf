terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.9, < 5.0"
    }
  }
}

# Who applies it is who is logged in (`az login`): no key is named anywhere here, nor used for the storage account.
provider "azurerm" {
  subscription_id     = var.subscription
  storage_use_azuread = true
  features {}
}
