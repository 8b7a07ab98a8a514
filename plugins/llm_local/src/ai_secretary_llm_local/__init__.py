"""Language models on this machine: GGUF files, answered by llama.cpp in processes of their own."""
